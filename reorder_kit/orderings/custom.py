"""Custom order: read from a file."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import HomePath, Ordering, OrderingOptions
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.npy_order import NPY, load_npy
from reorder_kit.orders.order_file import OrderFile


class Custom(Ordering):
    """The order in a JSON file, as ``show-order --json`` and ``export-order`` write it.

    The file must hold an order for exactly the requested grid: patches are numbered by grid, so an order for another
    grid would mean other patches. With ``transpose`` that is the transposed grid. A ``.npy`` file holds only patch
    numbers, so only their count is checked. The order may leave patches out; then no model sees these, and only a
    learner that declares support for this can start from it. For a run whose order depends on the image, the file holds
    the consensus order.
    """

    name = "custom"
    may_leave_out = True

    class Options(OrderingOptions):
        file: HomePath = Field(description="JSON or .npy file with the order")

    options: Options

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """The file's order of a single frame."""
        grid = Grid(height, width)
        return (grid.cell(patch)[1:] for patch in self.patches(grid))

    def patches(self, grid: Grid) -> list[int]:
        """The file's order, of all frames.

        Raises:
            ReorderKitError: if the file cannot be read, or holds an order of another grid.
        """
        file = self.options.file
        if file.suffix == NPY:
            return load_npy(file, grid).indices.tolist()
        stored = OrderFile.load(file)
        if stored.grid != grid:
            asked = f"the {grid} grid" + (" (transposed)" if self.options.transpose else "")
            raise ReorderKitError(
                f"{file}: made for the {stored.grid} grid, but {asked} is asked for",
                f"give the file of an order of {asked}, or use images and patches that make a {stored.grid} grid",
            )
        return [int(patch) for patch in stored.order.indices]


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Custom]
