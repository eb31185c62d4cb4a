"""Greedy selection of patches, with a separate regression for every candidate set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def greedy_ridge(features: Array, targets: Array, folds: NDArray[np.int64], penalty: float) -> list[int]:
    """The patches, best first; in ties the first patch, and patches that never vary last.

    Args:
        features: values by row, patch and feature.
        targets: targets by row.
        folds: the fold of each row.
        penalty: factor of the squared weights.
    """
    patches = features.shape[1]
    chosen: list[int] = []
    while len(chosen) < patches:
        left = [patch for patch in range(patches) if patch not in chosen]
        candidates = [patch for patch in left if features[:, patch].any()] or left
        errors = [held_out_error(features[:, [*chosen, patch]], targets, folds, penalty) for patch in candidates]
        equal = np.array(errors) <= min(errors) + 1e-9
        chosen.append(candidates[int(equal.argmax())])
    return chosen


def held_out_error(features: Array, targets: Array, folds: NDArray[np.int64], penalty: float) -> float:
    """The squared error of rows under regressions on the other folds, as a share of the squared targets."""
    rows = features.reshape(len(features), -1)
    error = 0.0
    for fold in np.unique(folds):
        fitted, judged = rows[folds != fold], rows[folds == fold]
        # The penalty as additional rows with targets of 0.
        system = np.vstack([fitted, np.sqrt(penalty) * np.eye(rows.shape[1])])
        right = np.vstack([targets[folds != fold], np.zeros((rows.shape[1], targets.shape[1]))])
        weights = np.linalg.lstsq(system, right, rcond=None)[0]
        error += float(((targets[folds == fold] - judged @ weights) ** 2).sum())
    return error / float((targets**2).sum())
