"""Find what a command names: plugins, a recipe, an order or a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reorder_kit.cli._output import is_main_process, print_to_stderr
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from reorder_kit.experiment.experiment import Experiment


def load_host() -> PluginHost:
    """Load the installed plugins; broken ones and deprecated run events are reported on standard error."""
    host = PluginHost.from_environment()
    if is_main_process():
        for plugin in host.plugins:
            if plugin.status == "failed":
                print_to_stderr(f"warning: plugin {plugin.name!r} of {plugin.distribution} failed: {plugin.reason}")
            for words in plugin.deprecated_events:
                print_to_stderr(f"warning: plugin {plugin.name!r} of {plugin.distribution}: {words}")
    return host


def warn_of_deprecated(host: PluginHost, kind: str, names: Iterable[str]) -> None:
    """Report on standard error which components a release will remove.

    Args:
        host: the plugins.
        kind: of the components.
        names: as they were given to a command; those of files and folders are skipped.
    """
    registry = host.find_registry(kind)
    for name in dict.fromkeys(names):
        if name in registry and (words := registry.get(name).deprecation()):
            print_to_stderr(f"warning: {words}")


def warn_of_parts(experiment: Experiment) -> None:
    """Report on standard error which parts of a recipe a release will remove, and what is doubtful about its
    backbone.
    """
    from reorder_kit.experiment.doubts import doubts_of_parts

    for words in doubts_of_parts(experiment):
        print_to_stderr(f"warning: {words}")


def recipe_content(
    recipe: str, assignments: Iterable[str] | None, device: str | None = None, seed: int | None = None
) -> dict[str, Any]:
    """Read a recipe by file or name and apply ``field=value`` assignments, without checking it.

    Args:
        recipe: a file, or the name of a shipped recipe.
        assignments: new values of fields.
        device: the value of ``--device``.
        seed: the value of ``--seed``.

    Raises:
        ReorderKitError: if the recipe does not exist, or an assignment is malformed or repeats an option.
    """
    content, _ = read_recipe(recipe)
    return override(content, assigned(assignments, {"--device": ("train.device", device), "--seed": ("seed", seed)}))


def assigned(assignments: Iterable[str] | None, options: Mapping[str, tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Collect fields and their new values from ``--set`` and from options that stand for a field.

    Args:
        assignments: ``field=value``.
        options: the field and value of each option, by the option's name; the value is None if it was not given.

    Raises:
        ReorderKitError: if an assignment is malformed, or a field is set by both.
    """
    found = [parse_assignment(assignment) for assignment in assignments or ()]
    for option, (field, value) in options.items():
        if value is None:
            continue
        section, _, last = field.rpartition(".")
        for path, given in found:
            if path == field or (path == section and isinstance(given, Mapping) and last in given):
                raise ReorderKitError(f"{option} and --set {path} both set {field}", "use only one of them")
        found.append((field, value))
    return found


def places_of(assignments: Iterable[str] | None) -> list[tuple[str, Any]]:
    """Read where a run's data is now from ``field=value``. The fields are checked later, with the run.

    Raises:
        ReorderKitError: if an assignment is malformed.
    """
    return [parse_assignment(assignment) for assignment in assignments or ()]


def find_run(path: str) -> RunFolder:
    """Open the folder of a finished run.

    Raises:
        ReorderKitError: if it is not a run folder.
    """
    folder = RunFolder(Path(path))
    if not folder.recipe.exists():
        near = Path("runs") / path
        hint = f"did you mean {near}?" if near.exists() else "give the folder of a run, as in runs/quickstart"
        raise ReorderKitError(f"{path} is not a run folder", hint)
    folder.read_result()
    return folder
