"""Diagonal order: the anti-diagonals, each from the top."""

from __future__ import annotations

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class Diagonal(Ordering):
    """Anti-diagonals ``row + column = 0, 1, ...``, each from top right to bottom left."""

    name = "diagonal"

    def cells(self, height: int, width: int) -> list[tuple[int, int]]:
        """Anti-diagonal after anti-diagonal, the upper cell first."""
        raster = ((row, column) for row in range(height) for column in range(width))
        return sorted(raster, key=lambda cell: (sum(cell), cell))


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Diagonal]
