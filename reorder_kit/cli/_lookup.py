"""Finds what a command names: plugins, a recipe, an order, a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reorder_kit.cli._output import is_main_process, print_to_stderr
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.runs.run_folder import RunFolder


def load_host() -> PluginHost:
    """The installed plugins; on standard error, those that are broken, and deprecated run events that others follow."""
    host = PluginHost.from_environment()
    if is_main_process():
        for plugin in host.plugins:
            if plugin.status == "failed":
                print_to_stderr(f"warning: plugin {plugin.name!r} of {plugin.distribution} failed: {plugin.reason}")
            for words in plugin.deprecated_events:
                print_to_stderr(f"warning: plugin {plugin.name!r} of {plugin.distribution}: {words}")
    return host


def recipe_content(
    recipe: str, assignments: Iterable[str] | None, device: str | None = None, seed: int | None = None
) -> dict[str, Any]:
    """A recipe by file or name, with ``field=value`` assignments, not yet checked.

    Args:
        recipe: which.
        assignments: its new fields.
        device: as ``--device`` gives it.
        seed: as ``--seed`` gives it.

    Raises:
        ReorderKitError: if there is no such recipe, or an assignment is none or says the same as an option.
    """
    content, _ = read_recipe(recipe)
    return override(content, assigned(assignments, {"--device": ("train.device", device), "--seed": ("seed", seed)}))


def assigned(assignments: Iterable[str] | None, options: Mapping[str, tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Fields and their new values, from ``--set`` and from options that stand for a field.

    Args:
        assignments: ``field=value``.
        options: by their names: the field, and its value; None if it was not given.

    Raises:
        ReorderKitError: if an assignment is none, or a field is given by both.
    """
    found = [parse_assignment(assignment) for assignment in assignments or ()]
    for option, (field, value) in options.items():
        if value is None:
            continue
        section, _, last = field.rpartition(".")
        for path, given in found:
            if path == field or (path == section and isinstance(given, Mapping) and last in given):
                raise ReorderKitError(f"{option} and --set {path} both give {field}", "give one of the two")
        found.append((field, value))
    return found


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
        raise ReorderKitError(f"{path} is not a run folder", hint)
    folder.read_result()
    return folder
