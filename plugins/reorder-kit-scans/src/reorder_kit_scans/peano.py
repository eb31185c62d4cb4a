"""Peano order: the space-filling curve of thirds, on any rectangle."""

from __future__ import annotations

from collections.abc import Iterator

from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering

reorder_kit_api = "1.0"

Cell = tuple[int, int]


class Peano(Ordering):
    """The Peano curve: 3x3 blocks, walked column by column as the ox plows, and each block walked in the same way.

    It starts in the top left corner, first goes down, and every step goes to a neighbor. On squares whose side is a
    power of three it is Peano's own curve (1890), which ends in the bottom right corner.

    On other rectangles, each side is cut into about equal thirds. Thirds of an odd side are odd, so that each block can
    be walked from corner to opposite corner. If both sides of the grid are even, no walk of
    neighbors ends in the opposite corner: the longer side is first cut into two odd parts. The walk crosses both and
    ends at the other end of that side. Blocks with a side below three are walked line by line.

    Source: G. Peano, "Sur une courbe, qui remplit toute une aire plane", Mathematische Annalen 36 (1890),
    https://doi.org/10.1007/BF01199438.
    """

    name = "peano"

    def cells(self, height: int, width: int) -> Iterator[Cell]:
        """Corner to opposite corner; in two parts if both sides are even."""
        if height % 2 or width % 2:
            yield from _diagonally(height, width)
        elif height >= width:
            yield from _in_two(height, width)
        else:
            yield from ((row, column) for column, row in _in_two(width, height))


def _in_two(height: int, width: int) -> Iterator[Cell]:
    """Both sides are even: from the top left to the right, and below from the right to the bottom left."""
    upper = (height // 2 - 1) | 1
    yield from _diagonally(upper, width)
    yield from ((upper + row, width - 1 - column) for row, column in _diagonally(height - upper, width))


def _diagonally(height: int, width: int) -> Iterator[Cell]:
    """From the top left to the bottom right; one of the sides is odd."""
    if min(height, width) < 3:
        yield from _line_by_line(height, width)
        return
    rows, columns = _thirds(height), _thirds(width)
    left = 0
    for across, block_width in enumerate(columns):
        # In every other column of blocks the walk climbs, mirrored top to bottom.
        top = 0
        for down, block_height in enumerate(rows):
            for row, column in _diagonally(block_height, block_width):
                # Each block ends on the side where the next one begins.
                right = left + (column if down % 2 == 0 else block_width - 1 - column)
                below = top + row
                yield (below if across % 2 == 0 else height - 1 - below), right
            top += block_height
        left += block_width


def _line_by_line(height: int, width: int) -> Iterator[Cell]:
    """An odd number of lines, turning round at each end: the last line ends in the opposite corner."""
    if width % 2:
        for column in range(width):
            rows = range(height) if column % 2 == 0 else reversed(range(height))
            yield from ((row, column) for row in rows)
    else:
        yield from ((row, column) for column, row in _line_by_line(width, height))


def _thirds(length: int) -> tuple[int, int, int]:
    """Three parts of a side of at least 3, the outer two equal; of an odd side, all three are odd."""
    outer = 2 * (length // 6) + 1 if length % 2 else round(length / 3)
    return outer, length - 2 * outer, outer


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    """Register the ordering."""
    return [Peano]
