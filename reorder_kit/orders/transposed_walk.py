"""A walk over a grid with rows and columns exchanged."""

from __future__ import annotations

import torch

from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


def transposed_walk(order: Order, grid: Grid) -> Order:
    """The order in which the k-th patch of the rows makes way for the k-th patch of the columns.

    On a square grid, the patch at ``(row, column)`` gives its slot to the one at ``(column, row)``, so the path keeps
    its shape. On any grid, row-major order becomes column-major order; no other exchange of patches for patches does
    that. The price is paid where rows and columns differ in number: a curve that goes from neighbor to neighbor jumps
    there. Frames of a clip are transposed one by one.

    Args:
        order: of the patches of the grid, full.
        grid: the grid.

    >>> transposed_walk(Order([0, 1, 3, 2]), Grid(2, 2)).indices.tolist()
    [0, 2, 3, 1]
    >>> transposed_walk(Order.identity(6), Grid(2, 3)).indices.tolist()
    [0, 3, 1, 4, 2, 5]
    """
    patches = torch.arange(grid.num_patches, device=order.indices.device)
    by_column = patches.reshape(grid.frames, grid.height, grid.width).transpose(1, 2).flatten()
    return Order.trusted(by_column[order.indices], grid.num_patches, order.groups, grid)
