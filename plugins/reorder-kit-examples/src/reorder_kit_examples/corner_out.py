"""Corner-out order: from the top left corner of the grid to the opposite one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering, OrderingOptions

reorder_kit_api = "1.0"


class CornerOut(Ordering):
    """Patches by their distance from the top left patch, the closest first; at the same distance row-major.

    ``flip`` starts from another corner.
    """

    name = "corner-out"

    class Options(OrderingOptions):
        distance: Literal["euclidean", "chebyshev"] = Field(
            "euclidean", description="read quarter circles, or (chebyshev) the two far sides of growing squares"
        )

    options: Options

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Arc after arc."""

        def place(cell: tuple[int, int]) -> int:
            row, column = cell
            return row**2 + column**2 if self.options.distance == "euclidean" else max(cell)

        row_major = [(row, column) for row in range(height) for column in range(width)]
        yield from sorted(row_major, key=place)


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    """Register the ordering."""
    return [CornerOut]
