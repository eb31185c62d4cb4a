"""Strided order: coarse to fine, so that the patches read so far always cover the image evenly."""

from __future__ import annotations

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class Strided(Ordering):
    """Every prefix is spread evenly: the first quarter is every second row and column, the first half a checkerboard.

    In every 2x2 block the sequence takes the top left cell, then the bottom right, top right and bottom left ones; each
    quarter is ordered in the same way, from the coarsest grid to the finest. This is the threshold matrix of ordered
    dithering (B. E. Bayer, ICC 1973). If a side is not a power of two, the matrix of the next larger power is followed
    and cells outside the grid are skipped.
    """

    name = "strided"

    def cells(self, height: int, width: int) -> list[tuple[int, int]]:
        """Coarse grid after coarse grid, each shifted into the gaps of those before it."""
        levels = range(max(height, width).bit_length())

        def place(cell: tuple[int, int]) -> list[int]:
            row, column = cell
            # The lowest bits decide first: cells that agree in them are the farthest apart.
            return [2 * ((row ^ column) >> level & 1) + (row >> level & 1) for level in levels]

        return sorted(((row, column) for row in range(height) for column in range(width)), key=place)


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Strided]
