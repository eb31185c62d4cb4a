"""Column order: the raster scan turned on its side."""

from __future__ import annotations

from collections.abc import Iterator

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class Column(Ordering):
    """Columns from left to right, each from top to bottom."""

    name = "column"

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Column after column."""
        return ((row, column) for column in range(width) for row in range(height))


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Column]
