"""Orders as NumPy arrays: only patch numbers, without the grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.npy_file import read_npy
from reorder_kit.orders.order import Order
from reorder_kit.orders.patch_numbers import whole_numbers

NPY = ".npy"
"""The ending of the names of these files."""


def load_npy(path: Path, grid: Grid | None = None) -> Order:
    """The order in a ``.npy`` file.

    Args:
        path: the file.
        grid: the grid of its patches. Without it, the order has no grid, and every patch must have a slot.

    Raises:
        ReorderKitError: if it is missing, is not such a file, or does not hold an order of the grid.
    """
    array = read_npy(path, "write it with numpy.save(file, indices)")
    try:
        return order_of_array(array, grid)
    except ReorderKitError as error:
        raise ReorderKitError(f"{path}: {error.message}", error.hint) from None


def order_of_array(array: Any, grid: Grid | None = None) -> Order:
    """One order for all images, from the patch in each slot.

    Args:
        array: an array, a tensor, a list, or anything that NumPy converts to an array.
        grid: the grid of its patches. Without it, the order has no grid, and every patch must have a slot.

    Raises:
        ReorderKitError: if these are not whole numbers in one row, if a patch appears twice or is not in the grid, or
            if it may be an order of another grid: a full order of fewer patches than the grid has.
    """
    values = array if isinstance(array, Tensor) else _as_array(array)
    if values.ndim != 1:
        raise ReorderKitError(
            f"one order for all images is one row of patch numbers, not of the shape {tuple(values.shape)}",
            "array.ravel() gives one row; Order(array) takes an order for each image",
        )
    numbers = whole_numbers(values)
    length, largest = len(numbers), int(numbers.max()) if len(numbers) else -1
    if grid is None and largest >= length:
        raise ReorderKitError(
            f"an order of {length} slots holds patch {largest}, so it leaves patches out, or is wrong",
            "give the grid, as in grid=(14, 14)",
        )
    order = Order(numbers.clone(), grid=grid)
    if not order.is_full and reads_as_full(numbers):
        raise ReorderKitError(
            f"an order of {length} patches does not fit the {grid} grid, which has {order.num_patches}",
            f"if it leaves out all patches from {length} on, write Order(array, {order.num_patches})",
        )
    return order


def reads_as_full(indices: Int[Tensor, " slot"]) -> bool:
    """Whether the patch numbers alone look like a full order."""
    return len(indices) > 0 and int(indices.max()) + 1 == len(indices)


def _as_array(array: Any) -> Any:
    try:
        return np.asarray(array)
    except (TypeError, ValueError) as error:
        raise ReorderKitError(f"an order holds patch numbers, in one row: {error}") from None
