"""Row order: the raster scan."""

from __future__ import annotations

from collections.abc import Iterator

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class Row(Ordering):
    """Rows from top to bottom, each from left to right: the raster scan that vision models use by default."""

    name = "row"

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Row after row."""
        return ((row, column) for row in range(height) for column in range(width))


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Row]
