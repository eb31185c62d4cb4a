"""Sinkhorn, row by row and column by column."""

from __future__ import annotations

import math
from collections.abc import Sequence


def sinkhorn(logits: Sequence[Sequence[float]], temperature: float, iterations: int) -> list[list[float]]:
    """The matrix after this many normalizations of rows and columns in turn, and one more of rows."""
    matrix = _rows_to_one([[math.exp(logit / temperature) for logit in row] for row in logits])
    for _ in range(iterations):
        matrix = _rows_to_one(_transpose(_rows_to_one(_transpose(matrix))))
    return matrix


def _rows_to_one(matrix: list[list[float]]) -> list[list[float]]:
    return [[share / sum(row) for share in row] for row in matrix]


def _transpose(matrix: list[list[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*matrix, strict=True)]
