"""The walk of a static order over a grid, the basis of every picture of an order."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


class Cell(NamedTuple):
    """The position of a patch."""

    frame: int
    row: int
    column: int

    def shares_edge(self, other: Cell) -> bool:
        """Whether two cells are adjacent in one frame."""
        distance = abs(self.row - other.row) + abs(self.column - other.column)
        return self.frame == other.frame and distance == 1


def walk(order: Order, grid: Grid) -> list[Cell]:
    """The cell of each slot.

    Raises:
        ReorderKitError: if the order is not the same for all images, or was made for another number of patches.
    """
    if not order.is_static:
        raise ReorderKitError("only an order that is the same for all images can be drawn", "draw one row of it")
    if order.num_patches != grid.num_patches:
        raise ReorderKitError(
            f"an order of {order.num_patches} patches cannot be drawn on the {grid} grid of {grid.num_patches}"
        )
    return [Cell(*grid.cell(index)) for index in order.indices.tolist()]


def jumps(cells: list[Cell]) -> list[int]:
    """The slots from which the walk continues to a cell that shares no edge with theirs."""
    return [slot for slot, (here, there) in enumerate(pairwise(cells)) if not here.shares_edge(there)]
