"""Whether rows of a study differ by more than chance, assuming normal seed effects: the paired t-test."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import stats

from reorder_kit.statistics.permutation_tests import permutation_test


def paired_t_test(scores: Float[NDArray[np.float64], "seed row"], seed: int) -> float:
    """The two-sided p of the hypothesis that rows have the same mean; 1 with one seed.

    For two rows it is the paired t-test; for more, the F-test of repeated measures, which for two rows is the t-test.
    With more rows, some may be correlated, as similar orders are, so the degrees of freedom are reduced
    (:func:`sphericity`). With few seeds and many rows the reduction is rather too large, and only large differences are
    found. If rows differ by the same amount with every seed, there is no spread to test against, and p is that of the
    permutation test.

    Sources: R. A. Fisher, "Statistical Methods for Research Workers", 1925, on both tests; S. W. Greenhouse and S.
    Geisser, "On methods in the analysis of profile data", Psychometrika, 1959, on the correction.

    Args:
        scores: scores of at least one seed and two rows.
        seed: seed of the permutation test, if it is used.

    >>> round(paired_t_test(np.array([[0.9, 0.8], [0.8, 0.6], [0.7, 0.4]]), seed=0), 4)
    0.0742
    """
    seeds, rows = scores.shape
    if seeds < 2:
        return 1.0
    error = error_variance(scores)
    if error == 0:
        return permutation_test(scores, seed)
    between = seeds * float(scores.mean(axis=0).var(ddof=1))
    free = sphericity(scores) * (rows - 1)
    return float(stats.f.sf(between / error, free, free * (seeds - 1)))


def sphericity(scores: Float[NDArray[np.float64], "seed row"]) -> float:
    """How similar the variances of all pairwise row differences are, by Greenhouse and Geisser: 1 if they are equal.

    Args:
        scores: scores of at least two seeds and two rows, not fully explained by row and seed.

    Returns:
        At least 1 / (rows - 1), up to rounding.
    """
    rest = _unexplained(scores)
    products = rest @ rest.T  # its eigenvalues above 0 are those of the rows' covariance, up to a factor
    return float(np.trace(products) ** 2 / ((scores.shape[1] - 1) * np.square(products).sum()))


def error_variance(scores: Float[NDArray[np.float64], "seed row"]) -> float:
    """The variance of a score that neither its row nor its seed explains; half that of a difference of two rows.

    It is 0 if only rounding is left.

    Args:
        scores: scores of at least two seeds and two rows.
    """
    seeds, rows = scores.shape
    squares = float(np.square(_unexplained(scores)).sum())
    return squares / ((rows - 1) * (seeds - 1)) if squares > 1e-24 * float(np.square(scores).sum()) else 0.0


def _unexplained(scores: Float[NDArray[np.float64], "seed row"]) -> Float[NDArray[np.float64], "seed row"]:
    """The part that neither row nor seed explains."""
    rest: NDArray[np.float64] = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    return rest
