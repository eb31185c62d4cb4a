"""Boustrophedon order: as the ox plows."""

from __future__ import annotations

from collections.abc import Iterator

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class Boustrophedon(Ordering):
    """Rows from top to bottom, the first from left to right, every second one from right to left.

    Every step goes to a neighbor.
    """

    name = "boustrophedon"

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Row after row, turning around at each end."""
        for row in range(height):
            columns = range(width) if row % 2 == 0 else reversed(range(width))
            yield from ((row, column) for column in columns)


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Boustrophedon]
