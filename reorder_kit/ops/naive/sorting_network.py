"""A sorting network with soft comparators, comparator by comparator."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence


def sorting_network(scores: Sequence[float], temperature: float, network: str, distribution: str) -> list[list[float]]:
    """The matrix by which the network mixes its inputs."""
    size, scores = len(scores), list(scores)
    matrix = [[float(slot == patch) for patch in range(size)] for slot in range(size)]
    for first, second in comparators(size, network):
        stay = distribution_function((scores[first] - scores[second]) / temperature, distribution)
        above, below = matrix[first], matrix[second]
        matrix[first] = [stay * a + (1 - stay) * b for a, b in zip(above, below, strict=True)]
        matrix[second] = [(1 - stay) * a + stay * b for a, b in zip(above, below, strict=True)]
        a, b = scores[first], scores[second]
        scores[first], scores[second] = stay * a + (1 - stay) * b, (1 - stay) * a + stay * b
    return matrix


def comparators(size: int, network: str) -> Iterator[tuple[int, int]]:
    """Pairs of slots, one by one; the higher score goes to the first of a pair."""
    if network == "odd-even":
        for layer in range(size):
            yield from ((slot, slot + 1) for slot in range(layer % 2, size - 1, 2))
    else:
        power = 1
        while power < size:
            power *= 2
        # Slots from ``size`` on would hold the lowest scores, which no comparator moves.
        yield from ((a, b) for a, b in _bitonic_sort(0, power) if b < size)


def _bitonic_sort(start: int, size: int) -> Iterator[tuple[int, int]]:
    if size == 1:
        return
    half = size // 2
    yield from _bitonic_sort(start, half)
    yield from _bitonic_sort(start + half, half)
    # Both halves fall: the second, read backwards, rises, and the two together first fall and then rise.
    yield from ((start + slot, start + size - 1 - slot) for slot in range(half))
    yield from _bitonic_merge(start, half)
    yield from _bitonic_merge(start + half, half)


def _bitonic_merge(start: int, size: int) -> Iterator[tuple[int, int]]:
    if size == 1:
        return
    half = size // 2
    yield from ((start + slot, start + slot + half) for slot in range(half))
    yield from _bitonic_merge(start, half)
    yield from _bitonic_merge(start + half, half)


def distribution_function(x: float, distribution: str) -> float:
    """The share that stays in place."""
    if distribution == "logistic":
        return 1 / (1 + math.exp(-x)) if x > 0 else 1 - 1 / (1 + math.exp(x))
    if distribution == "cauchy":
        return math.atan(x) / math.pi + 0.5
    if x < -0.25:
        return -1 / (16 * x)
    return 1 - 1 / (16 * x) if x > 0.25 else x + 0.5
