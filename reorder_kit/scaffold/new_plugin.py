"""A new plugin: what it is called, and whether it can be called that."""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass
from importlib.util import find_spec

from reorder_kit.errors import ReorderKitError, did_you_mean, quoted
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces.component import is_name

LISTENER = "listener"
"""What ``new-plugin`` calls a plugin that follows runs; it provides no component."""
_LONGEST = 40
_NAMES_ARE = f"use lower-case letters, digits and single hyphens, a letter first, at most {_LONGEST} characters"


@dataclass(frozen=True)
class NewPlugin:
    """A plugin that is to be written.

    Args:
        kind: of its component, or ``listener``.
        name: of its component and of its entry point.
    """

    kind: str
    name: str

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return f"reorder-kit-{self.name}"

    @property
    def module(self) -> str:
        """What Python calls the package."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """Of its component."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def file(self) -> str:
        """The module of the entry point, within the package."""
        return LISTENER if self.kind == LISTENER else "component"


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
    if not (re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) and is_name(name) and len(name) <= _LONGEST):
        proposed = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name[:_LONGEST]).lower()).strip(
            "-"
        )
        is_possible = re.match("[a-z]", proposed) and is_name(proposed)
        hint = f"{_NAMES_ARE}, as in {proposed}" if is_possible else _NAMES_ARE
        raise ReorderKitError(f"a plugin cannot be named {quoted(name)}", hint)
    if hasattr(builtins, plugin.class_name) or plugin.class_name.startswith("Test"):
        raise ReorderKitError(
            f"a plugin cannot be named {quoted(name)}: its class would be {plugin.class_name}, which "
            f"{'pytest takes for tests' if plugin.class_name.startswith('Test') else 'is a name of Python'}",
            "choose another name",
        )
    _require_free(plugin, host)
    return plugin


def require_own_class(plugin: NewPlugin, source: str) -> None:
    """Refuse a name whose class has the name of something else in the source.

    Args:
        plugin: with the name.
        source: of its component.

    Raises:
        ReorderKitError: if the source imports or defines something of that name.
    """
    tree = ast.parse(source)
    imported = [
        alias.name for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom) for alias in each.names
    ]
    defined = [each.name for each in tree.body if isinstance(each, ast.ClassDef | ast.FunctionDef)]
    if plugin.class_name in imported or defined.count(plugin.class_name) > 1:
        raise ReorderKitError(
            f"a plugin cannot be named {plugin.name!r}: its class would be {plugin.class_name}, which means something "
            "else in its file",
            "choose another name",
        )


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
            f"choose another name, or uninstall that one: pip uninstall {twin.distribution}",
        )
    if find_spec(plugin.module) is not None:
        raise ReorderKitError(
            f"a package {plugin.module} is already installed",
            f"choose another name, or uninstall that one: pip uninstall {plugin.distribution}",
        )
