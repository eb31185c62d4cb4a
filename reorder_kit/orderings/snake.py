"""Snake order: the zig-zag over the anti-diagonals."""

from __future__ import annotations

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class Snake(Ordering):
    """Anti-diagonals ``row + column = 0, 1, ...``, odd ones from the top and even ones from the bottom.

    This is the zig-zag in which JPEG stores the coefficients of a block (ITU-T T.81, figure A.6,
    https://www.w3.org/Graphics/JPEG/itu-t81.pdf): the first step goes right, the second down and left.
    """

    name = "snake"

    def cells(self, height: int, width: int) -> list[tuple[int, int]]:
        """Anti-diagonal after anti-diagonal, turning around at each end."""
        raster = ((row, column) for row in range(height) for column in range(width))
        return sorted(raster, key=_place)


def _place(cell: tuple[int, int]) -> tuple[int, int]:
    row, column = cell
    diagonal = row + column
    return diagonal, row if diagonal % 2 else column


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Snake]
