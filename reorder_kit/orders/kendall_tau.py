"""Kendall's rank correlation, without scipy.stats, which takes longer to import than torch."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def kendall_tau(first: Sequence[int], second: Sequence[int]) -> float:
    """1 if two rankings agree, -1 if one is the other reversed (Kendall, Biometrika 1938; ties: tau-b, Kendall 1945).

    Args:
        first: the rank of each item.
        second: another rank of each item, in the same sequence.

    Returns:
        NaN if all items have the same rank in one of the rankings.

    >>> round(kendall_tau([0, 1, 2], [0, 2, 1]), 3)  # one of three pairs is swapped
    0.333
    """
    pairs = math.comb(len(first), 2)
    tied_first, tied_second = _tied_pairs(first), _tied_pairs(second)
    if pairs in (tied_first, tied_second):
        return math.nan
    tied_in_both = _tied_pairs(zip(first, second, strict=True))
    difference = pairs - tied_first - tied_second + tied_in_both - 2 * _discordant_pairs(first, second)
    # Divide by one root after the other, as SciPy does, for the same result to the last digit.
    tau = difference / math.sqrt(pairs - tied_first) / math.sqrt(pairs - tied_second)
    return min(1.0, max(-1.0, tau))


def _tied_pairs(ranks: Iterable[Hashable]) -> int:
    return sum(math.comb(count, 2) for count in Counter(ranks).values())


def _discordant_pairs(first: Sequence[int], second: Sequence[int]) -> int:
    """The number of pairs whose order differs between the two rankings."""
    discordant, before = 0, list[int]()
    for _, rank in sorted(zip(first, second, strict=True)):
        place = bisect_right(before, rank)
        discordant += len(before) - place
        before.insert(place, rank)
    return discordant
