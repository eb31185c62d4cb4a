"""What a number of seeds can show at best, to be said before anything is trained."""

from __future__ import annotations

from reorder_kit.statistics.permutation_tests import smallest_p

MOST_SEEDS = 1000


def can_tell(seeds: int, comparisons_in_family: int, alpha: float, rows: int = 2) -> bool:
    """Whether the clearest difference would be called one.

    Args:
        seeds: those that all rows of the comparison have.
        comparisons_in_family: comparisons with the same question, over which Holm's correction goes.
        alpha: level of the tests, after correction.
        rows: of the comparison.
    """
    return comparisons_in_family * smallest_p(seeds, rows) < alpha


def too_few_seeds(seeds: int, comparisons_in_family: int, alpha: float, rows: int = 2) -> str | None:
    """A warning in words, with how many seeds would do; None if there are enough.

    Args:
        seeds: of each row.
        comparisons_in_family: comparisons with the same question, over which Holm's correction goes; at least 1.
        alpha: level of the tests, after correction.
        rows: of a comparison.

    >>> too_few_seeds(8, comparisons_in_family=6, alpha=0.05)
    >>> print(too_few_seeds(3, comparisons_in_family=1, alpha=0.05))
    3 seeds are too few: p cannot fall below 0.25, and has to be below 0.05; 6 seeds would do
    """
    if can_tell(seeds, comparisons_in_family, alpha, rows):
        return None
    smallest = f"{smallest_p(seeds, rows):.2g}"
    if comparisons_in_family > 1:
        corrected = min(1.0, comparisons_in_family * smallest_p(seeds, rows))
        smallest += f", which the correction for {comparisons_in_family} comparisons makes {corrected:.2g}"
    few = "1 seed is too few" if seeds == 1 else f"{seeds} seeds are too few"
    enough = (more for more in range(seeds + 1, MOST_SEEDS) if can_tell(more, comparisons_in_family, alpha, rows))
    found = next(enough, None)
    cure = "no number of seeds would do, only fewer comparisons" if found is None else f"{found} seeds would do"
    return f"{few}: p cannot fall below {smallest}, and has to be below {alpha:g}; {cure}"
