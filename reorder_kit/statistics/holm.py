"""Holm's correction for multiple tests."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p values, in the same sequence; the chance of any error among those below alpha is at most alpha.

    The smallest is multiplied by the number of tests, the next by one less, and so on; none ends up below one that was
    smaller before.

    Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics,
    1979, https://www.jstor.org/stable/4615733

    >>> holm([0.25, 0.125, 1.0])
    [0.5, 0.375, 1.0]
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for done, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[place]))
        corrected[place] = largest
    return corrected
