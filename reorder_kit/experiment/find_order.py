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
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.problems import problems_of
from reorder_kit.runs.run_folder import RunFolder


@names_plugins
def find_order(
    source: str, host: PluginHost, grid: Grid | None = None, options: Mapping[str, Any] | None = None
) -> OrderFile:
    """An order by the name of its ordering, from an order file, or the final one of a run.

    Args:
        source: which one.
        host: whose orderings.
        grid: the grid it shall be for; needed for an ordering, and checked against a file.
        options: of the ordering.

    Raises:
        ReorderKitError: if it is none of these, or does not fit the grid.
    """
    if source in host.orderings:
        if grid is None:
            raise ReorderKitError(f"ordering {source!r} needs a grid", "add --grid HEIGHTxWIDTH, as in --grid 14x14")
        ordering = host.orderings.get(source)
        try:
            checked = ordering.Options.model_validate(dict(options or {}), context={"host": host})
        except ValidationError as error:
            raise RecipeError(problems_of(error, ordering.Options), f"ordering {source!r}") from None
        return OrderFile(source, grid, ordering(checked).order(grid))
    if options:
        raise ReorderKitError(f"{source} is no ordering and takes no options", did_you_mean(source, host.orderings))
    stored = _stored(source, host)
    if grid is not None and stored.grid != grid:
        raise ReorderKitError(f"{source} holds an order of a {stored.grid} grid, not of {grid}")
    return stored


def _stored(source: str, host: PluginHost) -> OrderFile:
    path = Path(source)
    if path.is_dir():
        folder = RunFolder(path)
        if not (folder.order.exists() or folder.is_finished):
            raise ReorderKitError(f"{source} holds no final order", "is it the folder of a finished run?")
        return folder.read_order()
    if not path.exists():
        raise ReorderKitError(f"{source}: no ordering, order file or run folder", did_you_mean(source, host.orderings))
    return OrderFile.load(path)
