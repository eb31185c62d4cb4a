"""Whether a new plugin can have the name that was asked for."""

from __future__ import annotations

import builtins
import re
from importlib.util import find_spec

from reorder_kit.errors import ReorderKitError, did_you_mean, quoted
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces.component import is_name
from reorder_kit.scaffold.new_plugin import LISTENER, NewPlugin
from reorder_kit.scaffold.own_class import require_own_class
from reorder_kit.scaffold.write_package import package_of

_LONGEST = 30
"""With a longer name, some lines of the package would be too long."""
_NAMES_ARE = f"use lower-case letters, digits and single hyphens, a letter first, at most {_LONGEST} characters"


def plan_plugin(kind: str, name: str, host: PluginHost) -> NewPlugin:
    """A plugin that could be written and installed.

    Args:
        kind: of its component, in singular or plural, or ``listener``.
        name: of its component.
        host: the installed plugins.

    Raises:
        ReorderKitError: if there is no such kind, or nothing can have that name, or something has it.
    """
    plugin = NewPlugin(_found_kind(kind, host), name)
    if not _is_spelled(name):
        proposed = _respelled(name)
        hint = f"{_NAMES_ARE}, as in {proposed}" if _is_possible(plugin.kind, proposed, host) else _NAMES_ARE
        raise ReorderKitError(f"a plugin cannot be named {quoted(name)}", hint)
    _require_class(plugin)
    _require_free(plugin, host)
    return plugin


def _is_spelled(name: str) -> bool:
    is_short = len(name) <= _LONGEST
    return is_short and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) is not None and is_name(name)


def _respelled(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name[: 2 * _LONGEST])
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:_LONGEST].rstrip("-")


def _is_possible(kind: str, name: str, host: PluginHost) -> bool:
    if not _is_spelled(name):
        return False
    try:
        plan_plugin(kind, name, host)
    except ReorderKitError:
        return False
    return True


def _require_class(plugin: NewPlugin) -> None:
    if plugin.kind == LISTENER:  # it has no class
        return
    if hasattr(builtins, plugin.class_name) or plugin.class_name.startswith("Test"):
        raise ReorderKitError(
            f"a plugin cannot be named {quoted(plugin.name)}: its class would be {plugin.class_name}, which "
            f"{'pytest takes for tests' if plugin.class_name.startswith('Test') else 'is a name of Python'}",
            "choose another name",
        )
    require_own_class(plugin, package_of(plugin))


def _found_kind(kind: str, host: PluginHost) -> str:
    if kind in (LISTENER, f"{LISTENER}s"):
        return LISTENER
    names = [registry.kind.name for registry in host.registries.values()]
    asked = kind.replace("_", "-")
    found = next((each.kind for each in host.registries.values() if asked in (each.kind.name, each.kind.plural)), None)
    if found is None:
        raise ReorderKitError(f"there is no kind of plugin {quoted(kind)}", did_you_mean(asked, [*names, LISTENER]))
    return found.name


def _require_free(plugin: NewPlugin, host: PluginHost) -> None:
    registry = None if plugin.kind == LISTENER else host.find_registry(plugin.kind)
    if registry is not None and plugin.name in registry:
        raise ReorderKitError(
            f"{plugin.kind} {plugin.name!r} is already provided by {registry.owner(plugin.name)}", "choose another name"
        )
    twin = next((each for each in host.plugins if each.name == plugin.name), None)
    if twin is not None:
        raise ReorderKitError(
            f"plugin {plugin.name!r} is already installed, by {twin.distribution or 'this program'}",
            f"choose another name, or uninstall that one: pip uninstall {twin.distribution}"
            if twin.distribution
            else "choose another name",
        )
    if find_spec(plugin.module) is not None:
        raise ReorderKitError(
            f"a package {plugin.module} is already installed",
            f"choose another name, or uninstall that one: pip uninstall {plugin.distribution}",
        )
