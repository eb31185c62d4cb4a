"""Local windows: one small square after another."""

from __future__ import annotations

from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import Ordering, OrderingOptions
from reorder_kit.interfaces.numbers import Whole

reorder_kit_api = "1.0"


class Windows(Ordering):
    """The local scan of LocalMamba: windows in row-major order, and the patches of each in row-major order.

    Where the window does not divide a side, the last windows of that side are smaller. A window that covers the grid
    gives the order ``row``.

    LocalMamba scans windows of 2 and of 7, each also backward (``reverse``); its vertical version goes column by
    column, both from window to window and within them (``transpose``). It pads images that the window does not divide,
    and drops the padding again, which gives the same order.

    Source: Huang et al., "LocalMamba: Visual State Space Model with Windowed Selective Scan",
    https://arxiv.org/abs/2403.09338.
    """

    name = "windows"

    class Options(OrderingOptions):
        window: Whole = Field(2, ge=2, le=65_536, description="side of a window, in patches")

    options: Options

    def cells(self, height: int, width: int) -> list[tuple[int, int]]:
        """Window after window, row after row in each."""
        window = self.options.window
        raster = ((row, column) for row in range(height) for column in range(width))
        return sorted(raster, key=lambda cell: (cell[0] // window, cell[1] // window, cell))


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    """Register the ordering."""
    return [Windows]
