"""The plugins that a public function works with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_kit.host.plugin_host import PluginHost

if TYPE_CHECKING:
    from reorder_kit.caller import Caller


def plugins(host: PluginHost | None, caller: Caller) -> PluginHost:
    """Return the given plugins, or the installed ones, with warnings of those that failed or follow a deprecated event.

    Args:
        host: the given plugins.
        caller: the caller at whose line the warnings appear.
    """
    if host is not None:
        return host
    installed = PluginHost.from_environment()
    for plugin in installed.plugins:
        if plugin.status == "failed":
            caller.warn(f"plugin {plugin.name!r} of {plugin.distribution} failed: {plugin.reason}")
        for words in plugin.deprecated_events:
            caller.warn(f"plugin {plugin.name!r} of {plugin.distribution}: {words}")
    return installed
