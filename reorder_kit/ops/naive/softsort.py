"""SoftSort, row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence


def softsort(scores: Sequence[float], temperature: float) -> list[list[float]]:
    """The SoftSort matrix, row by row."""
    matrix = []
    for ranked in sorted(scores, reverse=True):
        weights = [math.exp(-abs(ranked - score) / temperature) for score in scores]
        matrix.append([weight / sum(weights) for weight in weights])
    return matrix
