"""Plugin hosts with only the named plugins."""

from __future__ import annotations

from types import SimpleNamespace

from reorder_kit.hookspecs import hookimpl
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Component
from reorder_kit.jobs.work import PICTURES


def host_with(*plugins: object) -> PluginHost:
    """Make a host with the built-in components and these plugins, whatever else is installed.

    The built-ins are included because a run needs a component of each kind, except those that write pictures and event
    files, which take longer than a small run.

    Args:
        plugins: modules or objects with functions marked ``hookimpl``, or classes of components.

    Raises:
        AssertionError: if a plugin cannot be used, with the reason.

    >>> from reorder_kit.interfaces import Ordering
    >>> class Rows(Ordering):
    ...     name = "rows"
    ...     def cells(self, height, width):
    ...         return ((row, column) for row in range(height) for column in range(width))
    >>> host_with(Rows).orderings.get("rows").__name__
    'Rows'
    """
    host = PluginHost(third_party=False, blocked=PICTURES)
    for number, plugin in enumerate(plugins):
        component = plugin if isinstance(plugin, type) and issubclass(plugin, Component) else None
        hooks = plugin if component is None else _plugin_of(component, host)
        name = getattr(plugin, "__name__", type(plugin).__name__)
        record = host.add(hooks, f"{name}-{number}" if number else name)
        if record.status != "ok":
            raise AssertionError(f"plugin {name} cannot be used: {record.reason}")
    return host


def _plugin_of(component: type[Component], host: PluginHost) -> object:
    for plural, registry in host.registries.items():
        if issubclass(component, registry.interface):
            hook = f"register_{plural.replace('-', '_')}"
            return SimpleNamespace(**{hook: hookimpl(lambda: [component])})
    raise AssertionError(
        f"{component.__name__} is not a component of any kind: derive it from Ordering, Backbone or another interface"
    )
