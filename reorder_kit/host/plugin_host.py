"""The plugin host: finds plugins, keeps broken ones from harming the others, and fills the registries."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, TypeVar

import pluggy

from reorder_kit import __version__, hookspecs
from reorder_kit.errors import ReorderKitError, ReorderKitWarning, did_you_mean, error_of_machine
from reorder_kit.host import builtin
from reorder_kit.host.entry_point import load_entry_point
from reorder_kit.host.plugin_record import PluginError, PluginRecord, is_own, owner, words_of
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
    Tracker,
)

ENTRY_POINT_GROUP = "reorder_kit"
_log = logging.getLogger(__name__)
C = TypeVar("C", bound=Component)


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
        self._modules: dict[str, PluginRecord] = {}
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
        self.trackers = self.registry_of(Tracker)
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

        Each is told copies, so that it can change nothing of what is recorded. A listener that raises is reported once
        and does not stop the run or the others.

        Raises:
            PluginError: if a listener tries to end the process.
            ReorderKitWarning: if a listener warns, and warnings are errors.
        """
        for call in getattr(self._manager.hook, event).get_hookimpls():
            told = [facts[argument] for argument in call.argnames]
            self.tell(self._named(call.plugin_name), event, partial(_with_copies, call.function), *told)

    def tell(self, listener: str, event: str, method: Callable[..., None], *facts: Any) -> bool:
        """Tell one listener something; what it raises is reported once, and does not stop the run.

        Args:
            listener: which, in words.
            event: what it is told of.
            method: its method.
            facts: the arguments, which it may change.

        Returns:
            Whether it took it without an error.

        Raises:
            PluginError: if it tries to end the process, as by ``sys.exit()``: that would look like a run that has
                finished.
            ReorderKitWarning: if it warns, and warnings are errors: that is what the program asked for.
        """
        try:
            method(*facts)
        except (KeyboardInterrupt, ReorderKitWarning):
            raise
        except Exception as error:
            if (listener, event) not in self._failed_listeners:
                self._failed_listeners.add((listener, event))
                _tell_of_listener(listener, event, error)
            return False
        except BaseException as error:
            raise PluginError(f"{listener} ended the run in {event}: {words_of(error)}") from error
        return True

    @property
    def modules(self) -> dict[str, PluginRecord]:
        """The modules of plugins of others, as far as they are known by name."""
        return dict(self._modules)

    def plugin_of(self, module: str) -> PluginRecord | None:
        """The plugin of others that a module belongs to: one whose code is in it, or in the same package.

        Args:
            module: its full name.
        """
        if module in self._modules:
            return self._modules[module]
        package = module.partition(".")[0]
        beside = (plugin for name, plugin in self._modules.items() if name.partition(".")[0] == package)
        return next((plugin for plugin in beside if plugin.distribution), None)

    def owner_of(self, kind: str, name: str) -> str:
        """The plugin of others that provides a component; empty if none does.

        Args:
            kind: of the component, in words: ``order-learner``.
            name: of the component.
        """
        record = next((each for each in self.plugins if f"{kind} {name}" in each.provides), None)
        return "" if record is None or record.is_builtin else owner(record)

    def _named(self, plugin: str) -> str:
        return owner(next(record for record in self.plugins if record.name == plugin and record.status == "ok"))

    def add(self, plugin: object, name: str, distribution: str = "", version: str = "") -> PluginRecord:
        """Register a plugin object or module; what it does wrong is noted in its record, and nothing of it stays."""
        record = PluginRecord(name, distribution, version)
        self.plugins.append(record)
        if name in self._blocked:
            record.status, record.reason = "blocked", "named in REORDER_KIT_BLOCK"
            return record
        self._register(plugin, record)
        return record

    @contextmanager
    def followed_by(self, listener: object, name: str) -> Iterator[None]:
        """Let an object follow the runs of a context, as a plugin that is gone afterwards.

        Args:
            listener: with functions marked ``@hookimpl``.
            name: what it is called, should it fail.
        """
        record = self.add(listener, name)
        try:
            yield
        finally:
            self._manager.unregister(listener)
            self.plugins.remove(record)

    def _load_builtin(self, module: str) -> None:
        name = module.removeprefix("reorder_kit.")
        self._load(PluginRecord(name, "reorder-kit", __version__, hookspecs.API_VERSION), lambda: import_module(module))

    def _load_entry_point(self, distribution: Distribution, entry_point: EntryPoint) -> None:
        record = PluginRecord(entry_point.name, distribution.name, distribution.version)
        twins = [other for other in self.plugins if other.name == record.name and not other.is_builtin]
        if twins:
            self.plugins.append(record)
            record.fail(f"plugin {record.name!r} is already provided by {twins[0].distribution}")
            return
        self._load(record, lambda: load_entry_point(entry_point, record))

    def _load(self, record: PluginRecord, load: Any) -> None:
        self.plugins.append(record)
        if record.name in self._blocked:
            record.status, record.reason = "blocked", "named in REORDER_KIT_BLOCK"
            return
        try:
            plugin = load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a plugin raises must not stop the others
            record.fail(words_of(error))
            return
        self._register(plugin, record)

    def _register(self, plugin: object, record: PluginRecord) -> None:
        try:
            self._check_is_new(plugin, record)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ReorderKitWarning)  # of deprecated hooks: the record has them
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
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if self._manager.get_plugin(record.name) is plugin:  # else it is another plugin's name, or its object
                self._manager.unregister(plugin)
            record.fail(words_of(error))
            return
        for registry, component in found:
            registry.add(component, owner(record))
            record.provides.append(f"{registry.kind.name} {component.name}")
        followed = {caller.name for caller in self._manager.get_hookcallers(plugin) or []}
        record.hooks = sorted(followed.intersection(self.run_events))
        record.deprecated = [words for _, component in found if (words := component.deprecation())]
        record.deprecated += [
            f"run event {hook!r} {words}" for hook in record.hooks if (words := self._removal_of(hook))
        ]
        self._note_modules(plugin, record, [component for _, component in found])

    def _removal_of(self, hook: str) -> str:
        """What is said of a deprecated hook; empty for all others."""
        specification = getattr(self._manager.hook, hook).spec
        return str(specification.warn_on_impl or "")

    def _note_modules(self, plugin: object, record: PluginRecord, components: Iterable[type[Component]]) -> None:
        """Remember whose code is whose, for errors."""
        calls = (call for caller in self._manager.get_hookcallers(plugin) or [] for call in caller.get_hookimpls())
        functions = [call.function for call in calls if call.plugin is plugin]
        for each in [*functions, *components]:
            module = getattr(each, "__module__", None)
            if module is not None and not is_own(module):
                self._modules.setdefault(module, record)

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


def _with_copies(method: Callable[..., None], *facts: Any) -> None:
    method(*map(deepcopy, facts))  # within the guard: a fact may hold what cannot be copied


def _registration_hooks() -> type:
    """A hook for each kind of component. None takes an argument; each returns a list of classes."""
    return type("RegistrationHooks", (), {each.kind.hook: hookspecs.hookspec(lambda: None) for each in INTERFACES})


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


def _tell_of_listener(listener: str, event: str, error: Exception) -> None:
    told = error if isinstance(error, ReorderKitError) else error_of_machine(error)
    if told is None:
        _log.warning("%s failed in %s; the run goes on", listener, event, exc_info=True)
    else:  # in words for people
        _log.warning("%s failed in %s; the run goes on: %s", listener, event, told)
