"""ShuffleSoftSort, element by element."""

from __future__ import annotations

from collections.abc import Sequence

from reorder_kit.ops.naive.softsort import softsort


def shuffle_softsort(scores: Sequence[float], line: Sequence[int], temperature: float) -> list[list[float]]:
    """The matrix of ShuffleSoftSort: shuffle element by element, sort, and undo the shuffle."""
    size = len(scores)
    matrix = [[0.0] * size for _ in range(size)]
    for source in range(size):
        elements = [float(slot == source) for slot in range(size)]
        shuffled = [elements[slot] for slot in line]
        mixed = [sum(a * b for a, b in zip(row, shuffled, strict=True)) for row in softsort(scores, temperature)]
        for slot, share in zip(line, mixed, strict=True):
            matrix[slot][source] = share
    return matrix
