"""Finds what a command names: plugins, a recipe, an order, a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reorder_kit.cli._output import is_main_process, print_to_stderr
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.overrides import override, parse_assignment
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


def places_of(assignments: Iterable[str] | None) -> list[tuple[str, Any]]:
    """Where the data of a run is now, from ``field=value``; which fields say that is checked with the run.

    Raises:
        ReorderKitError: if one is no assignment.
    """
    return [parse_assignment(assignment) for assignment in assignments or ()]


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
