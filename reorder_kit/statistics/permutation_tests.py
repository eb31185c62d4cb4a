"""Whether rows of a study differ by more than chance: a paired permutation test that flips the signs of seeds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

EXACT = 300_000
"""Up to so many arrangements all are looked at: those of 19 seeds."""

DRAWS = 19_999
"""Arrangements that are drawn where there are more."""


def permutation_test(scores: Float[NDArray[np.float64], "seed row"], seed: int) -> float:
    """The two-sided p of the hypothesis that rows have the same mean.

    From the scores of each seed their mean is taken away, and what is left changes its sign in all rows at once. The p
    is the share of arrangements of signs whose row means vary at least as much as those seen; what is equal but for
    rounding counts as equal. Where arrangements are drawn, the one seen is counted as one of them, so that p is never 0
    and the test keeps its level.

    For two rows this is the test of the mean difference by its signs, and needs nothing but that either row could have
    had either score. For more it takes for granted that what a seed adds to the rows is as likely as its opposite.
    Rows may go up and down together, as orders do that resemble each other. If scores were dealt to the rows anew
    within every seed, such rows would be called different too often: with 8 seeds and 88 orders of 4 families in 1 of
    4 made-up studies, at a level of 0.05.

    It is about these test images: with others, rows that are different here might be alike.

    Sources: E. J. G. Pitman, "Significance tests which may be applied to samples from any populations", Biometrika,
    1937, https://www.jstor.org/stable/2984124; A. M. Winkler et al., "Permutation inference for the general linear
    model", NeuroImage, 2014, https://doi.org/10.1016/j.neuroimage.2014.01.060, on flipping whole rows of errors; B.
    Phipson and G. K. Smyth, "Permutation p-values should never be zero", 2010, https://arxiv.org/abs/1603.05766

    Args:
        scores: of at least one seed and two rows.
        seed: of the arrangements, where they are drawn.

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
    """What :func:`permutation_test` gives when rows differ as clearly as can be, however many they are.

    >>> smallest_p(3)
    0.25
    """
    arrangements = _arrangements(seeds)
    return 1 / arrangements if arrangements <= EXACT else 1 / (DRAWS + 1)


def _arrangements(seeds: int) -> int:
    """How many count: with all signs turned around, nothing changes, so that of the first seed stays."""
    return int(2 ** (seeds - 1))


def _variation(
    signs: Float[NDArray[np.float64], "arrangement seed"], products: Float[NDArray[np.float64], "seed seed"]
) -> Float[NDArray[np.float64], " arrangement"]:
    """The variance of row means but for a factor: the sum over rows of the squared sum of their signed scores."""
    squares: NDArray[np.float64] = np.einsum("as,as->a", signs @ products, signs)
    return squares


def _all_signs(seeds: int) -> Float[NDArray[np.float64], "arrangement seed"]:
    places = np.arange(_arrangements(seeds))[:, None] >> np.arange(seeds)
    return np.where(places & 1, -1.0, 1.0)
