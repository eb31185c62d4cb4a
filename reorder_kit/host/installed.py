"""The installed plugins, loaded once for callers that only look something up."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from reorder_kit.host.plugin_host import PluginHost


def installed_plugins() -> PluginHost:
    """The host of :meth:`PluginHost.from_environment`, loaded again only where another one would come out.

    What decides is the two variables that it obeys, where Python looks for packages, and what is installed there. A
    host with a failed plugin is not kept: its cause may be gone. To be looked at only: others are given the same one.
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
    """When something was last put into a folder or a zip file; None if it does not exist."""
    try:
        return Path(place).stat().st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=128)
def _installed_in(place: str, changed: int | None) -> object:
    """The metadata of distributions in a place: other files there, as those of a script, are of no account.

    Looked up again when something was put there; a zip file is what it is.
    """
    folder = Path(place)
    if changed is None or not folder.is_dir():
        return changed
    metadata = (entry for entry in folder.iterdir() if entry.suffix in (".dist-info", ".egg-info"))
    return tuple(sorted((entry.name, entry.stat().st_mtime_ns) for entry in metadata))
