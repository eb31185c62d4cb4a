"""The installed plugins, loaded once for callers that only look something up."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from reorder_kit.host.plugin_host import PluginHost


def installed_plugins() -> PluginHost:
    """The host of :meth:`PluginHost.from_environment`, loaded again only if the result could differ.

    It depends on the two variables that the host obeys, on Python's search path, and on what is installed there. A host
    with a failed plugin is not kept, because the cause may be fixed. Do not modify it: other callers get the same host.
    """
    state = _environment()
    host = _load(state)
    if any(plugin.status == "failed" for plugin in host.plugins):
        _load.cache_clear()
    return host


@lru_cache(maxsize=1)
def _load(state: tuple[object, ...]) -> PluginHost:
    return PluginHost.from_environment()


def _environment() -> tuple[object, ...]:
    variables = (os.environ.get("REORDER_KIT_BLOCK"), os.environ.get("REORDER_KIT_NO_THIRD_PARTY"))
    return *variables, *((place, _installed_in(place, _changed(place))) for place in sys.path)


def _changed(place: str) -> int | None:
    """When a folder or a zip file was last modified; None if it does not exist."""
    try:
        return Path(place).stat().st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=128)
def _installed_in(place: str, changed: int | None) -> object:
    """The metadata of the distributions in a place; other files there, such as scripts, do not matter.

    It is looked up again after the place was modified; a zip file counts as a whole.
    """
    folder = Path(place)
    if changed is None or not folder.is_dir():
        return changed
    metadata = (entry for entry in folder.iterdir() if entry.suffix in (".dist-info", ".egg-info"))
    return tuple(sorted((entry.name, entry.stat().st_mtime_ns) for entry in metadata))
