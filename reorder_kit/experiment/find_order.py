"""Finds the order that a name, a file or a run folder stands for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reorder_kit.errors import RecipeError, ReorderKitError, did_you_mean
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.npy_order import NPY, load_npy
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.problems import problems_of
from reorder_kit.runs.run_folder import RunFolder


@names_plugins
def order_by_name(name: str, host: PluginHost, grid: Grid, options: Mapping[str, Any] | None = None) -> Order:
    """The order that an ordering gives for a grid.

    Args:
        name: of the ordering.
        host: whose orderings.
        grid: the grid it shall be for.
        options: of the ordering.

    Raises:
        ReorderKitError: if there is no such ordering or option.
    """
    ordering = host.orderings.get(name)
    try:
        checked = ordering.Options.model_validate(dict(options or {}), context={"host": host})
    except ValidationError as error:
        raise RecipeError(problems_of(error, ordering.Options), f"ordering {name!r}") from None
    return ordering(checked).order(grid).with_grid(grid)


@names_plugins
def find_order(
    source: str, host: PluginHost, grid: Grid | None = None, options: Mapping[str, Any] | None = None
) -> OrderFile:
    """An order by the name of its ordering, from an order file, or the final one of a run.

    A name of an ordering is the ordering, even if there is a file of that name; ``./row`` is the file.

    Args:
        source: which one.
        host: whose orderings.
        grid: the grid it shall be for; needed for an ordering and a ``.npy`` file, and checked against other files.
        options: of the ordering.

    Raises:
        ReorderKitError: if it is none of these, or does not fit the grid.
    """
    if source in host.orderings:
        if grid is None:
            raise ReorderKitError(f"ordering {source!r} needs a grid", "add --grid HEIGHTxWIDTH, as in --grid 14x14")
        return OrderFile(source, grid, order_by_name(source, host, grid, options))
    if options:
        raise ReorderKitError(f"{source} is no ordering and takes no options", did_you_mean(source, host.orderings))
    path = Path(source)
    if not path.exists():
        run = Path("runs") / path
        hint = f"did you mean {run}?" if run.is_dir() else did_you_mean(source, host.orderings)
        raise ReorderKitError(f"{source}: no ordering, order file or run folder", hint)
    if path.suffix == NPY and path.is_file():
        if grid is None:
            raise ReorderKitError(f"{source} does not say of which grid it is", "add --grid, as in --grid 14x14")
        return OrderFile(path.stem, grid, load_npy(path, grid))
    return stored_order(path, grid)


def stored_order(path: Path, grid: Grid | None = None) -> OrderFile:
    """The order of an order file, or the final one of a run.

    Args:
        path: a JSON file, or a run folder.
        grid: the grid it shall be for.

    Raises:
        ReorderKitError: if there is none, it is damaged, or it is one of another grid.
    """
    stored = _order_of_run(path) if path.is_dir() else OrderFile.load(path)
    if grid is not None and stored.grid != grid:
        raise ReorderKitError(f"{path} holds an order of a {stored.grid} grid, not of {grid}")
    return stored


def _order_of_run(path: Path) -> OrderFile:
    folder = RunFolder(path)
    if not (folder.order.exists() or folder.is_finished):
        raise ReorderKitError(f"{path} holds no final order", "is it the folder of a finished run?")
    if folder.order.exists() and not folder.recipe.exists():
        raise ReorderKitError(f"{path} is not a run folder", f"give the order in it: {folder.order}")
    return folder.read_order()
