"""Reopen a run: from another working directory or machine, or with its data in another place."""

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
"""Current locations of a run's data: dotted fields of its recipe, such as ``data.root``, and their values."""

_log = logging.getLogger(__name__)
_OTHER_PLACES = ("data.workers", "data.cache", "data.cache_folder")
"""Fields that depend only on the machine and do not affect results."""


def reopen(folder: RunFolder, host: PluginHost, places: Places = (), allow_download: bool = False) -> Experiment:
    """The parts of a run, from the recipe in its folder.

    If a path is gone but exists at the same place relative to the run folder, it was moved with the folder, and is
    used. The recipe may be another person's: without permission, nothing is downloaded, and nothing is written into the
    folders that it names.

    Args:
        folder: the run folder.
        host: provides its components.
        places: current locations of its data, if it was moved.
        allow_download: let its data source download missing files, and write where the recipe says.

    Raises:
        ReorderKitError: if the recipe cannot be read, a plugin is missing, or a field is not a location of data.
    """
    content = read_recipe_file(folder.intact(folder.recipe)) if places else recipe_here(folder)
    try:
        if places:
            _require_places(content, host, [field for field, _ in places], str(folder.recipe))
        content = {**content, "trackers": []}  # nothing is logged, so the plugin is not needed
        if not allow_download:
            content = _without_its_cache(content, dict(places))
        experiment = compose(override(content, places), host, str(folder.recipe))
        return replace(experiment, may_download=allow_download)
    except ReorderKitError as error:
        raise naming_providers(error, folder, host) from None


def _without_its_cache(content: dict[str, Any], places: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe that does not write decoded images into a folder it names; images are decoded every time instead."""
    data = content.get("data")
    if not isinstance(data, Mapping) or data.get("cache_folder") is None or "data.cache_folder" in places:
        return content
    _log.warning(
        "data.cache_folder: without --allow-download nothing is written to %s, which the recipe names, so images are "
        "decoded every time; --set data.cache_folder names another folder",
        shortened(str(data["cache_folder"])),
    )
    return {**content, "data": {key: data[key] for key in data if key not in ("cache", "cache_folder")}}


def recipe_here(folder: RunFolder) -> dict[str, Any]:
    """The content of a run's recipe, with updated paths of what was moved along with the run folder.

    Raises:
        ReorderKitError: if it cannot be read.
    """
    content = read_recipe_file(folder.intact(folder.recipe))
    was, is_now = _folder_once(folder), folder.path.absolute()
    if was and was != is_now:
        content = {field: _moved_along(value, field, was, is_now) for field, value in content.items()}
    return content


def other_fields(folder: RunFolder, resolved: Mapping[str, Any]) -> list[str]:
    """The fields in which a recipe differs from a run's recipe.

    These differences do not count: locations of data that are gone, paths with the same place relative to the run
    folder as before it was moved or copied, trackers, and fields that depend only on the machine.

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
    """The location of a run's folder when it was trained, if known."""
    with suppress(ReorderKitError):  # an incomplete run may still be opened
        if was := folder.read_environment().folder:
            return Path(was)
    return None


def _place(value: Any, folder: Path) -> str | object:
    """A path's place relative to a folder; for anything but an absolute path, an object that equals nothing else."""
    return os.path.relpath(value, folder) if isinstance(value, str) and Path(value).is_absolute() else object()


def _require_places(content: Mapping[str, Any], host: PluginHost, fields: Sequence[str], source: str) -> None:
    data = content.get("data")
    if not isinstance(data, Mapping) or data.get("name") not in host.data_sources:
        return  # reported when the recipe is composed
    options = host.data_sources.get(str(data["name"])).Options.model_fields
    known = [f"data.{name}" for name, field in options.items() if _is_path(field.annotation)]
    known += _OTHER_PLACES
    reason = "only locations of data can be set when a run is reopened; this field would change its results"
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
    """A field's value, in which missing paths are replaced by those at the same place relative to the run folder."""
    if isinstance(value, Mapping):
        return {key: _moved_along(inner, f"{field}.{key}", was, is_now) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved_along(inner, field, was, is_now) for inner in value]
    if not isinstance(value, str) or not Path(value).is_absolute() or _exists(Path(value)):
        return value
    shared = Path(os.path.commonpath([value, was]))
    found = is_now / os.path.relpath(value, was)
    if shared == Path(shared.anchor) or not _exists(found):  # a path that shares only the root was not moved along
        return value
    path = Path(os.path.normpath(found))
    _log.warning("%s: %s is gone; using %s, which was moved along with the run", field, value, path)
    return str(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # text that only looks like a path
        return False
