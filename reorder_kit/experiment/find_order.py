"""Find the order that a name, a file or a run folder stands for."""

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
        name: the name of the ordering.
        host: provides the orderings.
        grid: the grid of the order.
        options: the options of the ordering.

    Raises:
        ReorderKitError: if the ordering or an option is unknown.
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
    """An order from the name of an ordering, from an order file, or the final order of a run.

    The name of an ordering takes precedence over a file with that name; ``./row`` is the file.

    Args:
        source: the name or path.
        host: provides the orderings.
        grid: the grid of the order; required for an ordering or a ``.npy`` file, and checked for other files.
        options: the options of the ordering.

    Raises:
        ReorderKitError: if the source is none of these, or does not fit the grid.
    """
    if source in host.orderings:
        if grid is None:
            raise ReorderKitError(f"ordering {source!r} needs a grid", "add --grid HEIGHTxWIDTH, as in --grid 14x14")
        return OrderFile(source, grid, order_by_name(source, host, grid, options))
    if options:
        raise ReorderKitError(f"{source} is not an ordering, so has no options", did_you_mean(source, host.orderings))
    path = Path(source)
    if not path.exists():
        run = Path("runs") / path
        hint = f"did you mean {run}?" if run.is_dir() else did_you_mean(source, host.orderings)
        raise ReorderKitError(f"{source} is not an ordering, an order file or a run folder", hint)
    if path.suffix == NPY and path.is_file():
        if grid is None:
            raise ReorderKitError(f"{source} does not contain its grid", "add --grid, as in --grid 14x14")
        return OrderFile(path.stem, grid, load_npy(path, grid))
    return stored_order(path, grid)


def stored_order(path: Path, grid: Grid | None = None) -> OrderFile:
    """The order in an order file, or the final order of a run.

    Args:
        path: a JSON file, or a run folder.
        grid: the expected grid, if any.

    Raises:
        ReorderKitError: if there is no order, it is damaged, or it is for another grid.
    """
    stored = _order_of_run(path) if path.is_dir() else OrderFile.load(path)
    if grid is not None and stored.grid != grid:
        raise ReorderKitError(f"{path} holds an order for the grid {stored.grid}, not for {grid}")
    return stored


def _order_of_run(path: Path) -> OrderFile:
    folder = RunFolder(path)
    if not (folder.order.exists() or folder.is_finished):
        raise ReorderKitError(f"{path} has no final order", "give the folder of a finished run")
    if folder.order.exists() and not folder.recipe.exists():
        raise ReorderKitError(f"{path} is not a run folder", f"give the order in it: {folder.order}")
    return folder.read_order()
