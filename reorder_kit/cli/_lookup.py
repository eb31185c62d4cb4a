"""Finds what a command names: plugins, a recipe, an order, a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reorder_kit.cli._output import is_main_process, print_to_stderr
from reorder_kit.errors import RecipeError, ReorderKitError, did_you_mean
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.recipe import override, parse_assignment, problems_of
from reorder_kit.runs.run_folder import RunFolder


def load_host() -> PluginHost:
    """The installed plugins; those that are broken are named on standard error."""
    host = PluginHost.from_environment()
    if is_main_process():
        for plugin in host.plugins:
            if plugin.status == "failed":
                print_to_stderr(f"warning: plugin {plugin.name!r} of {plugin.distribution} failed: {plugin.reason}")
    return host


def recipe_content(recipe: str, assignments: Iterable[str] | None) -> dict[str, Any]:
    """A recipe by file or name, with ``field=value`` assignments, not yet checked.

    Raises:
        ReorderKitError: if there is no such recipe, or an assignment is none.
    """
    content, _ = read_recipe(recipe)
    return override(content, map(parse_assignment, assignments or ()))


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
    stored = OrderFile.load(_order_path(source, host))
    if grid is not None and stored.grid != grid:
        raise ReorderKitError(f"{source} holds an order of a {stored.grid} grid, not of {grid}")
    return stored


def _order_path(source: str, host: PluginHost) -> Path:
    path = Path(source)
    if path.is_dir():
        path = RunFolder(path).order
        if not path.exists():
            raise ReorderKitError(f"{source} holds no final order", "is it the folder of a finished run?")
    elif not path.exists():
        raise ReorderKitError(f"{source}: no ordering, order file or run folder", did_you_mean(source, host.orderings))
    return path


def find_run(path: str) -> RunFolder:
    """The folder of a finished run.

    Raises:
        ReorderKitError: if it is none.
    """
    folder = RunFolder(Path(path))
    if not folder.recipe.exists():
        near = Path("runs") / path
        hint = f"did you mean {near}?" if near.exists() else "give the folder of a run, as in runs/quickstart"
        raise ReorderKitError(f"{path} is no run folder", hint)
    folder.read_result()
    return folder
