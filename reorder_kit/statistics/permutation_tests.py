"""Whether rows of a study differ by more than chance: a paired permutation test that flips the signs of seeds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

EXACT = 300_000
"""Up to this many sign arrangements, as for 19 seeds, all are used."""

DRAWS = 19_999
"""The number of random arrangements if there are more."""


def permutation_test(scores: Float[NDArray[np.float64], "seed row"], seed: int) -> float:
    """The two-sided p of the hypothesis that rows have the same mean.

    The mean of each seed's scores is subtracted, and the sign of the rest is flipped in all rows at once. The p is the
    share of sign arrangements whose row means vary at least as much as the observed ones; values that differ only by
    rounding count as equal. If arrangements are drawn at random, the observed one counts as one of them, so that p is
    never 0 and the test keeps its level.

    For two rows this is the sign-flip test of the mean difference, which assumes only that either row could have had
    either score. For more rows, it assumes that a seed's effects on the rows are as likely as their opposites. Rows may
    be correlated, as similar orders are. If scores were permuted among the rows within every seed instead, such rows
    would be called different too often: with 8 seeds and 88 orders of 4 families, in 1 of 4 simulated studies, at a
    level of 0.05.

    It is about these test images: with others, rows that differ here might be equal.

    Sources: E. J. G. Pitman, "Significance tests which may be applied to samples from any populations", Biometrika,
    1937, https://www.jstor.org/stable/2984124; A. M. Winkler et al., "Permutation inference for the general linear
    model", NeuroImage, 2014, https://doi.org/10.1016/j.neuroimage.2014.01.060, on flipping whole rows of errors; B.
    Phipson and G. K. Smyth, "Permutation p-values should never be zero", 2010, https://arxiv.org/abs/1603.05766

    Args:
        scores: scores of at least one seed and two rows.
        seed: seed of the arrangements, if they are drawn.

    >>> permutation_test(np.array([[0.9, 0.8], [0.8, 0.6], [0.7, 0.4]]), seed=0)
    0.25
    """
    centred = scores - scores.mean(axis=1, keepdims=True)
    products: NDArray[np.float64] = centred @ centred.T
    rounding = 1e-12 * np.abs(centred).sum() ** 2
    seeds = len(scores)
    seen = float(products.sum())
    if _arrangements(seeds) <= EXACT:
        return float(np.mean(_variation(_all_signs(seeds), products) >= seen - rounding))
    drawn = _variation(np.random.default_rng(seed).choice((-1.0, 1.0), (DRAWS, seeds)), products)
    return float((np.sum(drawn >= seen - rounding) + 1) / (DRAWS + 1))


def smallest_p(seeds: int) -> float:
    """The smallest p that :func:`permutation_test` can give, for any number of rows.

    >>> smallest_p(3)
    0.25
    """
    arrangements = _arrangements(seeds)
    return 1 / arrangements if arrangements <= EXACT else 1 / (DRAWS + 1)


def _arrangements(seeds: int) -> int:
    """The number of arrangements that count: flipping all signs changes nothing, so the first seed's sign is fixed."""
    return int(2 ** (seeds - 1))


def _variation(
    signs: Float[NDArray[np.float64], "arrangement seed"], products: Float[NDArray[np.float64], "seed seed"]
) -> Float[NDArray[np.float64], " arrangement"]:
    """The variance of row means up to a factor: the sum over rows of the squared sum of their signed scores."""
    squares: NDArray[np.float64] = np.einsum("as,as->a", signs @ products, signs)
    return squares


def _all_signs(seeds: int) -> Float[NDArray[np.float64], "arrangement seed"]:
    places = np.arange(_arrangements(seeds))[:, None] >> np.arange(seeds)
    return np.where(places & 1, -1.0, 1.0)
