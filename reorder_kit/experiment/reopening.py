"""A run opened again: from another working directory or machine, with its data in another place."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, get_args

from reorder_kit.errors import Problem, RecipeError, ReorderKitError, did_you_mean, shortened
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.providers import naming_providers
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.overrides import differences, override
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.runs.run_folder import RunFolder

Places = Sequence[tuple[str, Any]]
"""Where the data of a run is now: dotted fields of its recipe, as ``data.root``, and their values."""

_log = logging.getLogger(__name__)
_OTHER_PLACES = ("data.workers", "data.cache", "data.cache_folder")
"""Fields that depend on the machine alone, and change nothing that comes out."""


def reopen(folder: RunFolder, host: PluginHost, places: Places = (), allow_download: bool = False) -> Experiment:
    """The parts of a run, from the recipe in its folder.

    A path that is gone, but is still there relative to the run folder, was moved along with it, and is used. The recipe
    may be somebody else's: without permission its data is read where it is, and nothing is written into the folders
    that it names.

    Args:
        folder: the run folder.
        host: where its components come from.
        places: where its data is now, if it is elsewhere.
        allow_download: let its data source fetch what is not there, and write where the recipe says.

    Raises:
        ReorderKitError: if the recipe cannot be read, a plugin is missing, or a field does not say where data is.
    """
    content = read_recipe_file(folder.intact(folder.recipe)) if places else recipe_here(folder)
    try:
        if places:
            _require_places(content, host, [field for field, _ in places], str(folder.recipe))
        content = {**content, "trackers": []}  # nothing is logged any more, and nobody needs the plugin
        if not allow_download:
            content = _without_its_cache(content, dict(places))
        experiment = compose(override(content, places), host, str(folder.recipe))
        return replace(experiment, may_download=allow_download)
    except ReorderKitError as error:
        raise naming_providers(error, folder, host) from None


def _without_its_cache(content: dict[str, Any], places: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe that writes no decoded images into a folder that it names itself; they are decoded every time then."""
    data = content.get("data")
    if not isinstance(data, Mapping) or data.get("cache_folder") is None or "data.cache_folder" in places:
        return content
    _log.warning(
        "data.cache_folder: the recipe names %s, where nothing is written without --allow-download; images are decoded "
        "every time, unless --set data.cache_folder names a folder",
        shortened(str(data["cache_folder"])),
    )
    return {**content, "data": {key: data[key] for key in data if key not in ("cache", "cache_folder")}}


def recipe_here(folder: RunFolder) -> dict[str, Any]:
    """The content of a run's recipe, with paths that were moved along with the run folder as they are now.

    Raises:
        ReorderKitError: if it cannot be read.
    """
    content = read_recipe_file(folder.intact(folder.recipe))
    was, is_now = _folder_once(folder), folder.path.absolute()
    if was and was != is_now:
        content = {field: _moved_along(value, field, was, is_now) for field, value in content.items()}
    return content


def other_fields(folder: RunFolder, resolved: Mapping[str, Any]) -> list[str]:
    """The fields in which a recipe differs from that of a run.

    A place of data that is gone, another path that lies relative to the run folder as it did before the folder was
    moved or copied, trackers, and what depends on the machine alone do not count.

    Args:
        folder: the run folder.
        resolved: the other recipe, with every default.
    """
    content, was, is_now = recipe_here(folder), _folder_once(folder), folder.path.absolute()

    def is_same(field: str) -> bool:
        if field.partition(".")[0] == "trackers":
            return True
        if field.startswith("data."):
            return field in _OTHER_PLACES or _is_gone(content, field)
        return was is not None and _place(_value(content, field), was) == _place(_value(resolved, field), is_now)

    return [field for field in differences(content, resolved) if not is_same(field)]


def _folder_once(folder: RunFolder) -> Path | None:
    """Where the folder of a run was when it was trained, if that is known."""
    with suppress(ReorderKitError):  # a run that is not whole any more may still be opened
        if was := folder.read_environment().folder:
            return Path(was)
    return None


def _place(value: Any, folder: Path) -> str | object:
    """Where a path lies relative to a folder; of anything but an absolute path, something equal to nothing else."""
    return os.path.relpath(value, folder) if isinstance(value, str) and Path(value).is_absolute() else object()


def _require_places(content: Mapping[str, Any], host: PluginHost, fields: Sequence[str], source: str) -> None:
    data = content.get("data")
    if not isinstance(data, Mapping) or data.get("name") not in host.data_sources:
        return  # what is wrong is said when the recipe is composed
    options = host.data_sources.get(str(data["name"])).Options.model_fields
    known = [f"data.{name}" for name, field in options.items() if _is_path(field.annotation)]
    known += _OTHER_PLACES
    reason = "a run that is opened again takes only what says where its data is; this would change what comes out"
    problems = [
        Problem(field, reason if _is_field(content, field) else "there is no such field", did_you_mean(field, known))
        for field in fields
        if field not in known
    ]
    if problems:
        raise RecipeError(problems, source)


def _is_path(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, PurePath):
        return True
    return any(map(_is_path, get_args(annotation)))


def _is_field(content: Any, field: str) -> bool:
    return _value(content, field) is not _MISSING


def _is_gone(content: Mapping[str, Any], field: str) -> bool:
    value = _value(content, field)
    return isinstance(value, str) and Path(value).is_absolute() and not _exists(Path(value))


_MISSING = object()


def _value(content: Any, field: str) -> Any:
    for key in field.split("."):
        content = content.get(key, _MISSING) if isinstance(content, Mapping) else _MISSING
    return content


def _moved_along(value: Any, field: str, was: Path, is_now: Path) -> Any:
    """A field's value with the paths in it that lie relative to the run folder as they did, but nowhere else."""
    if isinstance(value, Mapping):
        return {key: _moved_along(inner, f"{field}.{key}", was, is_now) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved_along(inner, field, was, is_now) for inner in value]
    if not isinstance(value, str) or not Path(value).is_absolute() or _exists(Path(value)):
        return value
    shared = Path(os.path.commonpath([value, was]))
    found = is_now / os.path.relpath(value, was)
    if shared == Path(shared.anchor) or not _exists(found):  # what shares the root alone was not moved along
        return value
    path = Path(os.path.normpath(found))
    _log.warning("%s: %s is gone; %s, which was moved along with the run, is read", field, value, path)
    return str(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # text that only looks like a path
        return False
