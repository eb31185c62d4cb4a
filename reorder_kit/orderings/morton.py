"""Morton order: the Z-order curve."""

from __future__ import annotations

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class Morton(Ordering):
    """Z-order: cells sorted by the interleaved bits of row and column (G. M. Morton, IBM, 1966).

    The column's bit is the lower of each pair, so the first step goes right and the second down and left. If a side is
    not a power of two, the curve of the next larger power is followed and cells outside the grid are skipped.
    """

    name = "morton"

    def cells(self, height: int, width: int) -> list[tuple[int, int]]:
        """Quadrant after quadrant: top left, top right, bottom left, bottom right, each the same way inside."""
        raster = ((row, column) for row in range(height) for column in range(width))
        return sorted(raster, key=lambda cell: 2 * _spread(cell[0]) + _spread(cell[1]))


def _spread(number: int) -> int:
    """The bits of a number with a zero between neighbors: its binary digits, read in base four."""
    return int(f"{number:b}", base=4)


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Morton]
