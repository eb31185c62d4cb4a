"""Write a picture of the path of an order over the grid."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Bool
from torch import Tensor

from reorder_kit.figures.write_figure import write_figure
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_figure import DOTS_PER_INCH, order_figure


def draw_order(order: Order, grid: Grid, path: Path, *, title: str, reach: Bool[Tensor, " slot"] | None = None) -> None:
    """Write a PNG of a static order, drawn by :func:`order_figure`.

    Args:
        order: the order, the same for all images.
        grid: the grid it was made for.
        path: the file to write.
        title: the title.
        reach: which slots have a path to the readout.

    Raises:
        ReorderKitError: if the order is not the same for all images, does not fit the grid or the reach, or has too
            many patches for a picture.
    """
    write_figure(order_figure(order, grid, title=title, reach=reach), path, DOTS_PER_INCH)
