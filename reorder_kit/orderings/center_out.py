"""Center-out order: from the middle of the image to its corners."""

from __future__ import annotations

from math import atan2, tau

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering


class CenterOut(Ordering):
    """Patches by the distance of their center from the image's center, the closest first.

    Distance is Euclidean, counted in patches. Patches at the same distance come clockwise, starting straight above the
    center. ``reverse`` reads from the corners to the center.
    """

    name = "center-out"

    def cells(self, height: int, width: int) -> list[tuple[int, int]]:
        """Ring after ring."""

        def place(cell: tuple[int, int]) -> tuple[int, float]:
            # Twice the distance, in whole numbers, so that patches at the same distance compare as equal.
            down, right = 2 * cell[0] - (height - 1), 2 * cell[1] - (width - 1)
            return down**2 + right**2, atan2(right, -down) % tau

        return sorted(((row, column) for row in range(height) for column in range(width)), key=place)


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [CenterOut]
