"""Hilbert order: the space-filling curve, on any rectangle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering

Cell = tuple[int, int]


class Hilbert(Ordering):
    """The generalized Hilbert curve, from the top-left corner along the longer side.

    It ends at the other end of that side, and every step goes to a neighbor. If the longer side is odd and the shorter
    one even, no walk does both: one step is diagonal, or, if the shorter side is 2, the walk ends one cell below (or
    beside) that corner. On squares whose side is a power of two it is Hilbert's own curve (1891).

    Source: J. Červený, "gilbert", https://github.com/jakubcerveny/gilbert.
    """

    name = "hilbert"

    def cells(self, height: int, width: int) -> Iterator[Cell]:
        """Blocks of neighbors, each walked like the whole."""
        rows, columns = _Side(1, 0, height), _Side(0, 1, width)
        return _curve((0, 0), columns, rows) if width >= height else _curve((0, 0), rows, columns)


class _Side(NamedTuple):
    """A side of a block of cells: the direction in which it is walked, and its length in cells."""

    down: int
    right: int
    length: int

    def step(self, cell: Cell, steps: int) -> Cell:
        return cell[0] + steps * self.down, cell[1] + steps * self.right

    def first(self, length: int) -> _Side:
        return _Side(self.down, self.right, length)

    def back(self, length: int) -> _Side:
        return _Side(-self.down, -self.right, length)


def _curve(corner: Cell, along: _Side, across: _Side) -> Iterator[Cell]:
    """Every cell of a block, from a corner to the other end of the side ``along``."""
    if across.length == 1 or along.length == 1:
        line = along if across.length == 1 else across
        yield from (line.step(corner, steps) for steps in range(line.length))
    elif 2 * along.length > 3 * across.length:
        yield from _curve_in_two(corner, along, across)
    else:
        yield from _curve_in_three(corner, along, across)


def _curve_in_two(corner: Cell, along: _Side, across: _Side) -> Iterator[Cell]:
    """A long block: one half, then the other."""
    half = _even_half(along.length)
    yield from _curve(corner, along.first(half), across)
    yield from _curve(along.step(corner, half), along.first(along.length - half), across)


def _curve_in_three(corner: Cell, along: _Side, across: _Side) -> Iterator[Cell]:
    """A nearly square block: away from the side ``along`` in its first half, along the far side, back in its second."""
    half, half_along = _even_half(across.length), along.length // 2
    far_end = along.step(corner, along.length - 1)
    yield from _curve(corner, across.first(half), along.first(half_along))
    yield from _curve(across.step(corner, half), along, across.first(across.length - half))
    yield from _curve(across.step(far_end, half - 1), across.back(half), along.back(along.length - half_along))


def _even_half(length: int) -> int:
    """Half a side, made even if possible: a block of even length needs no diagonal step."""
    half = length // 2
    return half + 1 if half % 2 and length > 2 else half


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Hilbert]
