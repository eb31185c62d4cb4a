"""Spiral order: from the border to the middle."""

from __future__ import annotations

from collections.abc import Iterator

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class Spiral(Ordering):
    """Clockwise from the top-left corner inward, ending in the middle. Every step goes to a neighbor."""

    name = "spiral"

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Straight ahead, turning right at the border and at visited cells."""
        unvisited = {(row, column) for row in range(height) for column in range(width)}
        row, column = 0, 0
        down, right = 0, 1
        while True:
            yield row, column
            unvisited.remove((row, column))
            if (row + down, column + right) not in unvisited:
                down, right = right, -down
            row, column = row + down, column + right
            if (row, column) not in unvisited:
                return


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Spiral]
