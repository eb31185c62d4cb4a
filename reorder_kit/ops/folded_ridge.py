"""Ridge regression evaluated on held-out rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

PENALTIES = (1.0, 10.0, 100.0, 1e3, 1e4)


def held_out_errors(
    features: Float[Tensor, "row feature"],
    targets: Float[Tensor, "row target"],
    folds: Int[Tensor, " row"],
    penalties: Sequence[float] = PENALTIES,
) -> Float[Tensor, " penalty"]:
    """The squared error of rows under regressions fitted to the other folds, for each ridge penalty.

    There is no intercept: features and targets are centered.

    Source: Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", 1970,
    https://doi.org/10.1080/00401706.1970.10488634; their k is our penalty.

    Args:
        features: features of each row, float64.
        targets: targets of each row, float64.
        folds: the fold of each row.
        penalties: factors of the sum of squared weights.

    Returns:
        As a share of the squared targets: 0 if every row is predicted exactly, 1 if nothing is explained. 1 if targets
        are 0.
    """
    total = targets.square().sum()
    errors = torch.zeros(len(penalties), dtype=torch.float64)
    for held_out in each_fold(folds):
        errors += _errors_of_fold(features, targets, held_out, penalties)
    return errors / total if total > 0 else torch.ones_like(errors)


def each_fold(folds: Int[Tensor, " row"]) -> Iterator[Bool[Tensor, " row"]]:
    """Which rows are held out, fold by fold."""
    for fold in sorted(set(folds.tolist())):
        yield folds == fold


def _errors_of_fold(
    features: Float[Tensor, "row feature"],
    targets: Float[Tensor, "row target"],
    held_out: Bool[Tensor, " row"],
    penalties: Sequence[float],
) -> Float[Tensor, " penalty"]:
    fitted, judged = features[~held_out], features[held_out]
    # The smaller of the two systems: over features, or over rows.
    is_primal = fitted.shape[1] <= fitted.shape[0]
    gram = fitted.T @ fitted if is_primal else fitted @ fitted.T
    right = fitted.T @ targets[~held_out] if is_primal else targets[~held_out]
    judged = judged if is_primal else judged @ fitted.T
    errors = []
    for penalty in penalties:
        factor = torch.linalg.cholesky(gram + penalty * torch.eye(len(gram), dtype=gram.dtype))
        told = judged @ torch.cholesky_solve(right, factor)
        errors.append((targets[held_out] - told).square().sum())
    return torch.stack(errors)
