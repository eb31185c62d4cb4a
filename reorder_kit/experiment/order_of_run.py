"""The order of another run, used as the start."""

from __future__ import annotations

from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.runs.run_folder import RunFolder


def order_of_run(path: Path, grid: Grid) -> Order:
    """The order that ``order.weights`` names.

    Args:
        path: the run folder.
        grid: the grid that the order must have.

    Raises:
        ReorderKitError: if the run has another grid, or its order cannot be read.
    """
    stored = RunFolder(path).read_order()
    if stored.grid != grid:
        raise ReorderKitError(
            f"order.weights: {path} has a {stored.grid} grid of patches, but this run has {grid}",
            "give a run with the same grid",
        )
    return stored.order
