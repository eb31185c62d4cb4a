"""What a number of seeds can show: at best, before anything is trained, and given the observed spread."""

from __future__ import annotations

import math

from scipy import stats

from reorder_kit.statistics.deciding_test import DecidingTest, smallest_p_of

MOST_SEEDS = 1000

POWER = 0.8
"""How often a difference is found with the recommended number of seeds."""


def can_tell(seeds: int, comparisons_in_family: int, alpha: float, test: DecidingTest = "permutation") -> bool:
    """Whether the clearest possible difference would be significant.

    Args:
        seeds: number of seeds that all rows of the comparison have.
        comparisons_in_family: number of comparisons with the same question, which Holm's correction covers.
        alpha: level of the tests, after correction.
        test: the test that decides.
    """
    return comparisons_in_family * smallest_p_of(test, seeds) < alpha


def fewest_seeds(comparisons_in_family: int, alpha: float, test: DecidingTest = "permutation") -> int | None:
    """The smallest number of seeds with which the clearest difference is significant; None if no number is enough.

    >>> fewest_seeds(1, alpha=0.05), fewest_seeds(1, alpha=0.05, test="paired-t")
    (6, 2)
    """
    tried = range(1, MOST_SEEDS)
    return next((seeds for seeds in tried if can_tell(seeds, comparisons_in_family, alpha, test)), None)


def seeds_to_resolve(spread: float, difference: float, level: float) -> int:
    """The number of seeds for a paired t-test to find a difference in four of five studies; at most ``MOST_SEEDS``.

    Source: J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 2: the noncentral t.

    Args:
        spread: standard deviation of the paired differences; not below 0.
        difference: the difference to find; above 0, in the unit of the spread.
        level: level of the test, divided by the number of comparisons if there are several.

    >>> seeds_to_resolve(0.02, 0.02, level=0.05), seeds_to_resolve(0.0, 0.02, level=0.05)
    (10, 2)
    """
    if spread == 0:
        return 2
    effect = difference / spread
    # From the normal distribution, whose lighter tails never give too many.
    least = float((stats.norm.isf(level / 2) + stats.norm.isf(1 - POWER)) / effect) ** 2
    seeds = max(2, min(math.floor(least), MOST_SEEDS))
    while seeds < MOST_SEEDS and _power(seeds, effect, level) < POWER:
        seeds += 1
    return seeds


def _power(seeds: int, effect: float, level: float) -> float:
    degrees = seeds - 1
    return float(stats.nct.sf(stats.t.isf(level / 2, degrees), degrees, effect * math.sqrt(seeds)))


def too_few_seeds(
    seeds: int, comparisons_in_family: int, alpha: float, test: DecidingTest = "permutation"
) -> str | None:
    """A warning in words, with the number of seeds that would be enough; None if there are enough.

    Args:
        seeds: number of seeds of each row.
        comparisons_in_family: number of comparisons with the same question, which Holm's correction covers; at least 1.
        alpha: level of the tests, after correction.
        test: the test that decides.

    >>> too_few_seeds(8, comparisons_in_family=6, alpha=0.05)
    >>> print(too_few_seeds(3, comparisons_in_family=1, alpha=0.05))
    3 seeds are too few: p cannot fall below 0.25, but must be below 0.05; 6 seeds would do
    """
    if can_tell(seeds, comparisons_in_family, alpha, test):
        return None
    best = smallest_p_of(test, seeds)
    smallest = f"{best:.2g}"
    if comparisons_in_family > 1:
        corrected = min(1.0, comparisons_in_family * best)
        smallest += f", which the correction for {comparisons_in_family} comparisons makes {corrected:.2g}"
    few = "1 seed is too few" if seeds == 1 else f"{seeds} seeds are too few"
    found = fewest_seeds(comparisons_in_family, alpha, test)
    cure = "no number of seeds would do, only fewer comparisons" if found is None else f"{found} seeds would do"
    return f"{few}: p cannot fall below {smallest}, but must be below {alpha:g}; {cure}"
