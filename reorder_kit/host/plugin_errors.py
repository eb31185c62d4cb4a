"""Errors from the code of plugins, reported with the name of the plugin instead of a traceback.

A boundary is a function with a host as an argument. For an unexpected error, the innermost call that belongs to a
plugin or to a built-in component decides whose mistake it is. Mistakes of this package keep their traceback.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, ParamSpec, TypeVar

from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.host.builtin import FOLDERS
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.host.plugin_record import PluginError, PluginRecord, is_own, owner, words_of
from reorder_kit.interfaces import Component, Policy

TRACEBACK = "REORDER_KIT_TRACEBACK"
"""The environment variable (1 or true) that makes the command line show tracebacks of mistakes in plugins."""

P = ParamSpec("P")
T = TypeVar("T")
_OWN_COMPONENTS = tuple(f"reorder_kit.{folder}." for folder in FOLDERS)
_CALL = re.compile(r"^([\w.<>]+)\(\) (?:takes|missing|got)\b")


class _Call(NamedTuple):
    """A call on the stack.

    Args:
        module: the module of its code.
        receiver: the class whose method it is; for a function, the class of its first argument.
        where: function, file and line.
        plugin: the plugin whose code it is; None for other code.
    """

    module: str
    receiver: type[Any]
    where: str
    plugin: PluginRecord | None

    @property
    def is_own_component(self) -> bool:
        """Whether it is code of a built-in component."""
        return self.plugin is None and self.module.startswith(_OWN_COMPONENTS)


def names_plugins(function: Callable[P, T]) -> Callable[P, T]:
    """Turn a function with an argument ``host`` into a boundary."""
    signature = inspect.signature(function)

    @wraps(function)
    def bounded(*arguments: P.args, **named: P.kwargs) -> T:
        with naming_plugins(signature.bind(*arguments, **named).arguments["host"]):
            return function(*arguments, **named)

    return bounded


@contextmanager
def naming_plugins(host: PluginHost) -> Iterator[None]:
    """Name the plugin whose mistake an error is.

    Ctrl-C and errors for people pass unchanged. An attempt to end the process becomes an error, so that a run never
    looks finished when it is not.

    Args:
        host: the available plugins.

    Raises:
        ReorderKitError: naming the plugin whose code raised an error, or that provides a faulty component.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except ComponentError as error:
        provider = error.owner or host.owner_of(error.kind, error.name)
        if provider == error.owner:
            raise
        raise ComponentError(error.kind, error.name, error.reason, error.hint, provider) from (error.__cause__ or error)
    except ReorderKitError:
        raise
    except BaseException as error:
        told = told_of(error, host)
        if told is None:
            raise
        raise told from error


def told_of(error: BaseException, host: PluginHost) -> ReorderKitError | None:
    """The error to show for an unexpected error; None if it is a mistake of this package.

    Args:
        error: what was raised.
        host: the available plugins.
    """
    calls = [_call(frame, line, host) for frame, line in _frames(error)]
    decisive = next((call for call in reversed(calls) if call.plugin or call.is_own_component), None)
    plugin = _refusing(error, host) or (decisive.plugin if decisive else None)
    if plugin is None:
        is_exit = isinstance(error, SystemExit)
        return ReorderKitError(f"something tried to end the process: {words_of(error)}") if is_exit else None
    where = f", in {decisive.where}" if decisive and decisive.plugin is plugin else ""
    hint = f"{TRACEBACK}=1 shows the traceback; REORDER_KIT_BLOCK={plugin.name} leaves the plugin out"
    return PluginError(f"{_component(calls, plugin)}{owner(plugin)} raised {words_of(error)}{where}", hint)


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _call(frame: FrameType, line: int, host: PluginHost) -> _Call:
    module, code = str(frame.f_globals.get("__name__", "")), frame.f_code
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    receiver = first if isinstance(first, type) else type(first)
    of_module, of_receiver = (None if is_own(name) else host.plugin_of(name) for name in (module, receiver.__module__))
    where = f"{code.co_qualname} ({Path(code.co_filename).name}, line {line})"
    return _Call(module, receiver, where, of_module or of_receiver)


def _refusing(error: BaseException, host: PluginHost) -> PluginRecord | None:
    """The plugin of a function that refused the arguments of its call, so that the call itself never began."""
    found = _CALL.match(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return None
    first = found[1].partition(".")[0]
    for name, plugin in host.modules.items():
        function = getattr(sys.modules.get(name), first, None)
        if getattr(function, "__module__", None) == name:
            return plugin
    return None


def _component(calls: list[_Call], plugin: PluginRecord) -> str:
    """The component whose code it is, in words; empty if a plugin has several and the calls do not tell which."""
    of_plugin = [call.receiver for call in reversed(calls) if call.plugin is plugin]
    for receiver in of_plugin:
        if issubclass(receiver, Component) and hasattr(receiver, "name"):
            return f"{receiver.kind.name} {receiver.name!r} of "
    is_policy = any(issubclass(receiver, Policy) for receiver in of_plugin)
    provided = [each for each in plugin.provides if each.startswith("order-learner ") or not is_policy]
    if len(provided) != 1:
        return ""
    kind, _, name = provided[0].partition(" ")
    return f"{kind} {name!r} of "
