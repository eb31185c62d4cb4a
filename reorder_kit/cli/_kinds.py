"""Finds what is meant by the name of a kind or of a run event."""

from __future__ import annotations

from typing import Any

from reorder_kit import hookspecs
from reorder_kit.errors import ReorderKitError, did_you_mean
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.host.registry import Registry


def find_registry(host: PluginHost, kind: str) -> Registry[Any]:
    """The components of a kind, given in singular or plural: ``ordering``, ``order_learners``.

    Raises:
        ReorderKitError: if there is no such kind.
    """
    asked = kind.replace("_", "-")
    for plural, registry in host.registries.items():
        if asked in (plural, registry.kind):
            return registry
    kinds = [registry.kind for registry in host.registries.values()]
    raise ReorderKitError(f"there is no kind of component {kind!r}", did_you_mean(asked, kinds))


def find_run_event(name: str) -> str:
    """A run event by name.

    Raises:
        ReorderKitError: if there is no such event.
    """
    events = [hook for hook in vars(hookspecs) if hasattr(getattr(hookspecs, hook), f"{hookspecs.PROJECT}_spec")]
    events = [event for event in events if not event.startswith("register_")]
    if name not in events:
        raise ReorderKitError(f"there is no run event {name!r}", did_you_mean(name, events))
    return name
