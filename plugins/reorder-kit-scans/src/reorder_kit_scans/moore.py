"""Moore order: the closed space-filling curve, on any rectangle."""

from __future__ import annotations

from collections.abc import Iterator

from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering
from reorder_kit.orderings.hilbert import Hilbert

reorder_kit_api = "1.0"

Cell = tuple[int, int]


class Moore(Ordering):
    """The Moore curve: two Hilbert walks that form a loop, so that the last patch is a neighbor of the first.

    It starts in the middle of the bottom row, climbs the left half, and descends the right half. On squares whose side
    is a power of two it is Moore's own curve (1900). On other rectangles, each half is walked by the generalized
    Hilbert curve.

    A half is walked along its even side. So the rule is followed on the transposed grid (from the middle of the right
    column, the upper half first) if only the width is even, or if the grid is wider than high and both sides are even
    or both odd. Where the other side is more than twice as long as the only even one, each half is walked out and back,
    from the middle of the grid.

    On a grid with an even number of patches, every step goes to a neighbor, and the loop closes. With an odd number, no
    closed walk exists (on a checkerboard, each step changes the color): exactly one step, which may be the one from the
    last patch to the first, goes to a patch at distance two. A single row or column is walked from end to end.

    Source: E. H. Moore, "On certain crinkly curves", Transactions of the American Mathematical Society 1 (1900),
    https://doi.org/10.1090/S0002-9947-1900-1500526-4.
    """

    name = "moore"

    def cells(self, height: int, width: int) -> Iterator[Cell]:
        """Up one half and down the other, or the same on the transposed grid."""
        if _is_upright(height, width):
            return _loop(height, width)
        return ((row, column) for column, row in _loop(width, height))


def _is_upright(height: int, width: int) -> bool:
    """Whether the halves lie side by side. Each is walked from end to end, which takes an even length."""
    if height % 2 != width % 2:
        return height % 2 == 0
    return height >= width


def _loop(height: int, width: int) -> Iterator[Cell]:
    left = width // 2
    right = width - left
    if right > height:
        yield from ((row, left - 1 - column) for row, column in _out_and_back(height, left))
        yield from ((row, left + column) for row, column in reversed(list(_out_and_back(height, right))))
    else:
        yield from ((height - 1 - row, left - 1 - column) for row, column in _down(height, left))
        yield from ((row, left + column) for row, column in _down(height, right))


def _down(height: int, width: int) -> Iterator[Cell]:
    """Every cell of a half that is no wider than high, from the top to the bottom of its first column."""
    if width:
        yield from ((row, column) for column, row in Hilbert().cells(width, height))


def _out_and_back(height: int, width: int) -> Iterator[Cell]:
    """Every cell of a half that is wide: along its upper part away from the first column, along its lower part back."""
    upper = (height // 2 - 1) | 1  # both parts are odd: a Hilbert walk of any length then ends in a corner
    yield from ((upper - 1 - row, column) for row, column in Hilbert().cells(upper, width))
    yield from ((upper + row, column) for row, column in reversed(list(Hilbert().cells(height - upper, width))))


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    """Register the ordering."""
    return [Moore]
