"""Orders in files, whose ending gives the format: JSON, NumPy, or safetensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.npy_file import write_npy
from reorder_kit.orders.npy_order import NPY, load_npy, reads_as_full
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.orders.tensor_file import load_tensors
from reorder_kit.whole_file import write_whole

_JSON, _TENSORS = ".json", ".safetensors"


def save_order(order: Order, path: Path) -> None:
    """Write an order, in the format given by the file's ending.

    Args:
        order: the order.
        path: ends with ``.json`` (one order, with its grid and a checksum), ``.npy`` (only the patch numbers of one
            order), or ``.safetensors`` (an order of any shape, and its grid).

    Raises:
        ReorderKitError: if it has another ending, the format cannot hold the order, or it cannot be written.
    """
    writers: dict[str, Callable[[Order, Path], None]] = {_JSON: _write_json, NPY: _write_npy, _TENSORS: _write_tensors}
    if path.suffix not in writers:
        raise ReorderKitError(f"{path}: an order is saved as {', '.join(writers)}", "end its name with one of these")
    if path.suffix != _TENSORS and not order.is_static:
        raise ReorderKitError(
            f"{path}: {order!r} differs between images, but such a file holds a single order",
            f"{_TENSORS} holds orders of any shape",
        )
    with writing(path):
        writers[path.suffix](order, path)


def read_order(path: Path) -> Order:
    """Read what :func:`save_order` wrote; a file with another ending is read as JSON.

    Raises:
        ReorderKitError: if it is missing, is not such a file, is damaged, or holds an invalid order.
    """
    if path.suffix == NPY:
        return load_npy(path)
    return _read_tensors(path) if path.suffix == _TENSORS else OrderFile.load(path).order


def _write_json(order: Order, path: Path) -> None:
    if order.grid is None:
        raise ReorderKitError(
            f"{path}: an order file names the grid, but this order has none", "order.with_grid(Grid(height, width))"
        )
    OrderFile(path.stem, order.grid, order).save(path)


def _write_npy(order: Order, path: Path) -> None:
    if not order.is_full and reads_as_full(order.indices):
        raise ReorderKitError(
            f"{path}: the order has {order.num_patches} patches, but its numbers alone look like one of {len(order)}",
            f"save it as {_JSON}",
        )
    write_npy(path, order.indices.cpu().numpy())


def _write_tensors(order: Order, path: Path) -> None:
    tensors = {"indices": order.indices.contiguous(), "num_patches": torch.tensor(order.num_patches)}
    if order.groups is not None:
        tensors["groups"] = order.groups.contiguous()
    if order.grid is not None:
        tensors["grid"] = torch.tensor([order.grid.height, order.grid.width, order.grid.frames])
    write_whole(path, save(tensors))


def _read_tensors(path: Path) -> Order:
    tensors = load_tensors(path)
    if not {"indices", "num_patches"} <= tensors.keys():
        raise ReorderKitError(f"{path}: holds no order", f"it holds: {', '.join(tensors) or 'nothing'}")
    try:
        grid = Grid.of(tensors["grid"][[2, 0, 1]].tolist()) if "grid" in tensors else None
        return Order(tensors["indices"], int(tensors["num_patches"]), tensors.get("groups"), grid)
    except ReorderKitError as error:
        raise ReorderKitError(f"{path}: {error.message}", error.hint) from None
    except (IndexError, RuntimeError) as error:
        raise ReorderKitError(f"{path}: holds no order: {error}") from None
