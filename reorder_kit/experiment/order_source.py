"""The order that something in Python stands for: a file, a run, an array, or the name of an ordering."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from reorder_kit.errors import ReorderKitError, quoted
from reorder_kit.experiment.find_order import find_order, order_by_name, stored_order
from reorder_kit.host.installed import installed_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.npy_order import NPY, load_npy, order_of_array
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile, words_of_spread
from reorder_kit.runs.run_folder import RunFolder


@dataclass(frozen=True)
class FoundOrder:
    """An order, and what has to be said of it.

    Args:
        order: the order; with its grid, where that is known.
        doubts: why it may not be what was meant.
    """

    order: Order
    doubts: tuple[str, ...] = ()


def order_from(source: object, grid: Grid | None = None, host: PluginHost | None = None) -> FoundOrder:
    """The order that something stands for.

    Args:
        source: an order; a file of one; the folder of a run, or what knows it; patch numbers by slot; or the name of an
            ordering, which it is even if there is a file of that name.
        grid: the grid it shall be for.
        host: whose orderings; those of the installed plugins if not given.

    Raises:
        ReorderKitError: if it stands for none, or for one of another grid.
    """
    if isinstance(source, Order):
        return FoundOrder(source if grid is None else source.with_grid(grid))
    if isinstance(source, str):
        return _named(source, grid, host or installed_plugins())
    if isinstance(source, OrderFile):
        return _stored(source if grid is None else OrderFile(source.name, grid, source.order, source.spread))
    path = Path(source) if isinstance(source, PathLike) else folder_of(source)
    if path is not None:
        return _at(path, grid)
    if isinstance(source, type | bytes | dict | set | frozenset) or not hasattr(source, "__len__"):
        raise ReorderKitError(
            f"cannot get an order from {quoted(source)}",
            "give an order, a file of one, a run folder, an array of patch numbers, or the name of an ordering",
        )
    return FoundOrder(order_of_array(source, grid))


def folder_of(source: object) -> Path | None:
    """The folder of a run that is given as a run folder, a loaded run, or a result that knows its folder."""
    folder = source if isinstance(source, RunFolder) else getattr(source, "folder", None)
    if isinstance(folder, RunFolder):
        return folder.path
    return Path(folder) if isinstance(folder, str | Path) else None


def _named(source: str, grid: Grid | None, host: PluginHost) -> FoundOrder:
    if source not in host.orderings:
        if not Path(source).exists():
            find_order(source, host)  # refuses it, and knows what was meant
        return _at(Path(source), grid)
    is_there = Path(source).exists()
    other = f"./{source}"
    if grid is None:
        hint = "give one, as in grid=(14, 14)" + (f"; {other!r} is the file or folder here" if is_there else "")
        raise ReorderKitError(f"ordering {source!r} needs a grid", hint)
    doubt = f"{source!r} is read as the ordering of that name; {other!r} is the file or folder here"
    doubts = (doubt if is_there else "", host.orderings.get(source).deprecation())
    return FoundOrder(order_by_name(source, host, grid), tuple(filter(None, doubts)))


def _at(path: Path, grid: Grid | None) -> FoundOrder:
    folder = RunFolder(path)
    if folder.order.exists() and folder.recipe.exists() and not folder.is_finished:
        return _unfinished(folder, grid)
    if path.is_dir():
        found = _stored(stored_order(path, grid))
        if folder.read_result().order.reach.slots is not None or found.doubts:
            return found
        return FoundOrder(
            found.order,
            (
                f"{path} orders again before a later block: this is the composed order of all blocks, and a model that "
                "reads in it from its first block on is another model than the run's",
            ),
        )
    if path.suffix == NPY:
        return FoundOrder(load_npy(path, grid))
    return _stored(stored_order(path, grid))


def _unfinished(folder: RunFolder, grid: Grid | None) -> FoundOrder:
    """The order of a run that has its order, but no result yet."""
    found = _stored(stored_order(folder.order, grid))
    doubt = (
        f"{folder.path}: the run is not finished: this is the order that its training ended with, but its controls may "
        "still train, and it is not yet known whether it orders again before a later block"
    )
    return FoundOrder(found.order, (doubt, *found.doubts))


def _stored(stored: OrderFile) -> FoundOrder:
    if stored.spread is None:
        return FoundOrder(stored.order)
    said = f"{stored.name}: this is a consensus, and no order of the run: {words_of_spread(stored.spread)}"
    return FoundOrder(stored.order, (said,))
