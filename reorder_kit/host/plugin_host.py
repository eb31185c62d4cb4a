"""The plugin host: finds plugins, keeps broken ones from harming the others, and fills the registries."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Literal, TypeVar

import pluggy

from reorder_kit import __version__, hookspecs
from reorder_kit.errors import ReorderKitError, did_you_mean, error_of_machine
from reorder_kit.host import builtin
from reorder_kit.host.registry import Registry
from reorder_kit.interfaces import (
    INTERFACES,
    Backbone,
    Component,
    DataSource,
    Ordering,
    OrderLearner,
    Prior,
    Task,
    Tokenizer,
)

ENTRY_POINT_GROUP = "reorder_kit"
_log = logging.getLogger(__name__)
C = TypeVar("C", bound=Component)


@dataclass
class PluginRecord:
    """What became of a plugin.

    Args:
        name: of the entry point; of the module, for a built-in.
        distribution: the package it came with.
        version: of that package.
        status: ``ok``, ``failed`` or ``blocked``.
        reason: why, unless it is ok.
        provides: components as ``kind name``.
        hooks: the run events it follows.
    """

    name: str
    distribution: str
    version: str
    status: Literal["ok", "failed", "blocked"] = "ok"
    reason: str = ""
    provides: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)

    @property
    def is_builtin(self) -> bool:
        """Whether it comes with reorder-kit itself."""
        return self.distribution == "reorder-kit"

    def fail(self, reason: str) -> None:
        """Note why it cannot be used."""
        self.status, self.reason = "failed", reason


class PluginHost:
    """All plugins and what they provide. Every host is its own: nothing is registered by importing.

    Args:
        third_party: look for plugins of other distributions.
        blocked: names of plugins that are not loaded.
    """

    def __init__(self, third_party: bool = True, blocked: Iterable[str] = ()) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.add_hookspecs(_registration_hooks())
        self._blocked = frozenset(blocked)
        self._failed_listeners: set[tuple[str, str]] = set()
        self.plugins: list[PluginRecord] = []
        self.registries: dict[str, Registry[Any]] = {each.kind.plural: Registry(each) for each in INTERFACES}
        # The kinds that recipes name, for short.
        self.orderings = self.registry_of(Ordering)
        self.backbones = self.registry_of(Backbone)
        self.order_learners = self.registry_of(OrderLearner)
        self.priors = self.registry_of(Prior)
        self.tokenizers = self.registry_of(Tokenizer)
        self.tasks = self.registry_of(Task)
        self.data_sources = self.registry_of(DataSource)
        for module in builtin.MODULES:
            self._load_builtin(module)
        if third_party:
            for distribution, entry_point in sorted(_entry_points(), key=lambda pair: (pair[0].name, pair[1].name)):
                self._load_entry_point(distribution, entry_point)

    @classmethod
    def from_environment(cls, blocked: Iterable[str] = ()) -> PluginHost:
        """The host of the command line: obeys REORDER_KIT_BLOCK and REORDER_KIT_NO_THIRD_PARTY.

        Args:
            blocked: names of further plugins that are not loaded.
        """
        named = [name.strip() for name in os.environ.get("REORDER_KIT_BLOCK", "").split(",") if name.strip()]
        return cls(os.environ.get("REORDER_KIT_NO_THIRD_PARTY", "") not in ("1", "true"), [*named, *blocked])

    def registry_of(self, interface: type[C]) -> Registry[C]:
        """The components that implement an interface.

        Raises:
            TypeError: if it is not the interface of a kind.
        """
        for registry in self.registries.values():
            if registry.interface is interface:
                return registry
        raise TypeError(f"{interface.__name__} is not an interface; write Part[Ordering], for example")

    def find_registry(self, kind: str) -> Registry[Any]:
        """The components of a kind, given in singular or plural: ``ordering``, ``order_learners``.

        Raises:
            ReorderKitError: if there is no such kind.
        """
        asked = kind.replace("_", "-")
        for registry in self.registries.values():
            if asked in (registry.kind.name, registry.kind.plural):
                return registry
        known = [registry.kind.name for registry in self.registries.values()]
        raise ReorderKitError(f"there is no kind of component {kind!r}", did_you_mean(asked, known))

    @property
    def run_events(self) -> list[str]:
        """What a plugin can follow."""
        registrations = {registry.kind.hook for registry in self.registries.values()}
        return [hook for hook in self._hooks if hook not in registrations]

    @property
    def _hooks(self) -> list[str]:
        return [name for name, caller in vars(self._manager.hook).items() if caller.has_spec()]

    def announce(self, event: str, **facts: Any) -> None:
        """Tell every plugin that follows a run event, first registered first.

        A listener that raises is reported once and does not stop the run or the others.
        """
        for call in getattr(self._manager.hook, event).get_hookimpls():
            try:
                call.function(*(facts[argument] for argument in call.argnames))
            except Exception as error:
                if (call.plugin_name, event) not in self._failed_listeners:
                    self._failed_listeners.add((call.plugin_name, event))
                    self._tell_of_listener(call.plugin_name, event, error)

    @staticmethod
    def _tell_of_listener(plugin: str, event: str, error: Exception) -> None:
        told = error if isinstance(error, ReorderKitError) else error_of_machine(error)
        if told is None:
            _log.warning("plugin %r failed in %s; the run goes on", plugin, event, exc_info=True)
        else:  # told for people
            _log.warning("plugin %r failed in %s; the run goes on: %s", plugin, event, told)

    def add(self, plugin: object, name: str, distribution: str = "", version: str = "") -> PluginRecord:
        """Register a plugin object or module; what it does wrong is noted in its record, and nothing of it stays."""
        record = PluginRecord(name, distribution, version)
        self.plugins.append(record)
        if name in self._blocked:
            record.status, record.reason = "blocked", "named in REORDER_KIT_BLOCK"
            return record
        self._register(plugin, record)
        return record

    def _load_builtin(self, module: str) -> None:
        name = module.removeprefix("reorder_kit.")
        self._load(PluginRecord(name, "reorder-kit", __version__), lambda: import_module(module))

    def _load_entry_point(self, distribution: Distribution, entry_point: EntryPoint) -> None:
        record = PluginRecord(entry_point.name, distribution.name, distribution.version)
        twins = [other for other in self.plugins if other.name == record.name and not other.is_builtin]
        if twins:
            self.plugins.append(record)
            record.fail(f"plugin {record.name!r} is already provided by {twins[0].distribution}")
            return
        self._load(record, entry_point.load)

    def _load(self, record: PluginRecord, load: Any) -> None:
        self.plugins.append(record)
        if record.name in self._blocked:
            record.status, record.reason = "blocked", "named in REORDER_KIT_BLOCK"
            return
        try:
            plugin = load()
        except (Exception, SystemExit) as error:  # whatever a plugin raises must not stop the others
            record.fail(f"{type(error).__name__}: {error}")
            return
        self._register(plugin, record)

    def _register(self, plugin: object, record: PluginRecord) -> None:
        try:
            self._check_is_new(plugin, record)
            self._manager.register(plugin, record.name)
            self._check_hooks(plugin)
            found = [
                (registry, component)
                for registry in self.registries.values()
                for call in getattr(self._manager.hook, registry.kind.hook).get_hookimpls()
                if call.plugin is plugin
                for component in call.function()
            ]
            for registry, component in found:
                registry.check(component)
            names = [(registry.kind.name, component.name) for registry, component in found]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                raise ReorderKitError(f"{twice[0]} {twice[1]!r} is registered twice by this plugin")
        except (Exception, SystemExit) as error:
            if self._manager.get_plugin(record.name) is plugin:  # else it is another plugin's name, or its object
                self._manager.unregister(plugin)
            record.fail(str(error) if isinstance(error, ReorderKitError) else f"{type(error).__name__}: {error}")
            return
        for registry, component in found:
            registry.add(component, _owner(record))
            record.provides.append(f"{registry.kind.name} {component.name}")
        followed = {caller.name for caller in self._manager.get_hookcallers(plugin) or []}
        record.hooks = sorted(followed.intersection(self.run_events))

    def _check_is_new(self, plugin: object, record: PluginRecord) -> None:
        other = self._manager.get_name(plugin)
        if other:
            raise ReorderKitError(f"it is the same object as plugin {other!r}", "name it once")
        if self._manager.has_plugin(record.name):
            raise ReorderKitError(f"there already is a plugin {record.name!r}", "give it another name")

    def _check_hooks(self, plugin: object) -> None:
        """Refuse a misspelt hook, which pluggy would keep without ever calling it."""
        for caller in self._manager.get_hookcallers(plugin) or []:
            if not caller.has_spec():
                raise ReorderKitError(f"there is no hook {caller.name!r}", did_you_mean(caller.name, self._hooks))
        if not self._manager.get_hookcallers(plugin):
            raise ReorderKitError("it has no hook", "mark a function such as register_orderings with @hookimpl")


def _registration_hooks() -> type:
    """A hook for each kind of component. None takes an argument; each returns a list of classes."""
    return type("RegistrationHooks", (), {each.kind.hook: hookspecs.hookspec(lambda: None) for each in INTERFACES})


def _owner(record: PluginRecord) -> str:
    return f"plugin {record.name!r} of {record.distribution}" if record.distribution else f"plugin {record.name!r}"


def _entry_points() -> Iterable[tuple[Distribution, EntryPoint]]:
    seen: set[str] = set()
    for distribution in distributions():
        try:
            name, entry_points = _name_of(distribution), distribution.entry_points
        except Exception:  # of any package that is installed, ours or not
            _log.warning("the metadata in %s cannot be read", distribution.locate_file(""), exc_info=True)
            continue
        # The first on the path is the one that would be imported; others of the same name are leftovers, and so is one
        # without a name.
        if name and name not in seen:
            seen.add(name)
            yield from ((distribution, found) for found in entry_points if found.group == ENTRY_POINT_GROUP)


def _name_of(distribution: Distribution) -> str | None:
    """What ``distribution.name`` is; that parses the whole metadata, and takes a tenth of a second for all of them."""
    metadata = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    found = re.search(r"^Name:[ \t]*(\S+)", metadata, re.MULTILINE)
    return found[1] if found else None
