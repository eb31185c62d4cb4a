"""Center-out order: from the middle of the grid to its corners."""

from __future__ import annotations

from collections.abc import Iterator
from math import atan2, tau
from typing import Literal

from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering, OrderingOptions


class CenterOut(Ordering):
    """Patches by their distance from the middle of the grid, the closest first.

    Distance is Euclidean, between the middle of a patch and the middle of the grid. Patches at the same distance stand
    clockwise, from the one straight above the middle; or row-major.
    """

    name = "center-out"

    class Options(OrderingOptions):
        ties: Literal["clockwise", "row-major"] = Field(
            "clockwise", description="how patches at the same distance from the middle follow each other"
        )

    options: Options

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Ring after ring."""

        def place(cell: tuple[int, int]) -> tuple[int, float]:
            # Twice the distance in whole numbers, so that patches at the same distance compare as equal.
            down, right = 2 * cell[0] - (height - 1), 2 * cell[1] - (width - 1)
            clockwise = atan2(right, -down) % tau
            return down**2 + right**2, clockwise if self.options.ties == "clockwise" else 0.0

        row_major = [(row, column) for row in range(height) for column in range(width)]
        yield from sorted(row_major, key=place)


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    """Register the ordering."""
    return [CenterOut]
