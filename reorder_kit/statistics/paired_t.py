"""Whether rows of a study differ by more than chance, where what seeds add is taken for normal: the paired t-test."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import stats

from reorder_kit.statistics.permutation_tests import permutation_test


def paired_t_test(scores: Float[NDArray[np.float64], "seed row"], seed: int) -> float:
    """The two-sided p of the hypothesis that rows have the same mean; 1 with one seed.

    For two rows it is the paired t-test, for more the F-test of repeated measures, which is the t-test for two. With
    more rows some may go up and down together, as orders do that resemble each other; for that its degrees of freedom
    are reduced (:func:`sphericity`). With few seeds and many rows that is too much rather than too little, and only
    large differences show. Where rows differ by the same with every seed there is no spread to judge by, and p is that
    of the permutation test.

    Sources: R. A. Fisher, "Statistical Methods for Research Workers", 1925, on both; S. W. Greenhouse and S. Geisser,
    "On methods in the analysis of profile data", Psychometrika, 1959, on the correction.

    Args:
        scores: of at least one seed and two rows.
        seed: of the permutation test, where it stands in.

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
    """How alike the variances of all differences of two rows are, by Greenhouse and Geisser: 1 if they are equal.

    Args:
        scores: of at least two seeds and two rows, not all explained by row and seed.

    Returns:
        At least 1 / (rows - 1), but for rounding.
    """
    rest = _unexplained(scores)
    products = rest @ rest.T  # the eigenvalues above 0 are those of the rows' covariance, but for a factor
    return float(np.trace(products) ** 2 / ((scores.shape[1] - 1) * np.square(products).sum()))


def error_variance(scores: Float[NDArray[np.float64], "seed row"]) -> float:
    """The variance of a score that neither its row nor its seed explains; half that of a difference of two rows.

    It is 0 where nothing but rounding is left.

    Args:
        scores: of at least two seeds and two rows.
    """
    seeds, rows = scores.shape
    squares = float(np.square(_unexplained(scores)).sum())
    return squares / ((rows - 1) * (seeds - 1)) if squares > 1e-24 * float(np.square(scores).sum()) else 0.0


def _unexplained(scores: Float[NDArray[np.float64], "seed row"]) -> Float[NDArray[np.float64], "seed row"]:
    """What neither row nor seed explains."""
    rest: NDArray[np.float64] = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    return rest
