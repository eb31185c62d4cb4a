"""``reorder-kit list-plugins``: the installed plugins, their status, and what they provide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._completion import complete_kind
from reorder_kit.cli._output import console, print_json, table
from reorder_kit.cli._parameters import JsonOption

if TYPE_CHECKING:
    from rich.table import Table

    from reorder_kit.host.plugin_record import PluginRecord
    from reorder_kit.interfaces import Kind

SOME_PLUGIN_FAILED = 2


def list_plugins(
    as_json: JsonOption = False,
    show_all: Annotated[bool, typer.Option("--all", help="Also show each built-in plugin.")] = False,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help="Show only plugins that provide this kind of component.",
            autocompletion=complete_kind,
        ),
    ] = None,
    hook: Annotated[
        str | None, typer.Option("--hook", metavar="EVENT", help="Show only plugins that follow this run event.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 if any plugin failed.")] = False,
) -> None:
    """List plugins, and say why some failed.

    Shows the distribution, the plugin API it was written for, the status with its reason, and what each plugin
    provides. Built-in plugins that work are summarized in one line unless --all, --kind or --hook is given. A broken
    plugin is listed as failed, with what to do about it, and never affects the others. REORDER_KIT_BLOCK=NAME,NAME
    blocks plugins; REORDER_KIT_NO_THIRD_PARTY=1 blocks all that are not built in.

    \b
    Example:
      reorder-kit list-plugins
      reorder-kit list-plugins --kind ordering --json
      REORDER_KIT_BLOCK=my-plugin reorder-kit list-plugins --strict
    """
    from reorder_kit.errors import ReorderKitError, did_you_mean
    from reorder_kit.host.plugin_host import PluginHost

    host = PluginHost.from_environment()
    shown: Sequence[PluginRecord] = host.plugins
    if kind is not None:
        wanted = host.find_registry(kind).kind.name
        shown = [plugin for plugin in shown if wanted in {_kind(component) for component in plugin.provides}]
    if hook is not None:
        if hook not in host.run_events:
            raise ReorderKitError(f"unknown run event {hook!r}", did_you_mean(hook, host.run_events))
        shown = [plugin for plugin in shown if hook in plugin.hooks]
    if as_json:
        print_json([asdict(plugin) for plugin in shown])
    else:
        kinds = [registry.kind for registry in host.registries.values()]
        _print_plugins(shown, kinds, sum_up=not (show_all or kind or hook))
    if strict and any(plugin.status == "failed" for plugin in host.plugins):
        raise typer.Exit(SOME_PLUGIN_FAILED)


def _print_plugins(plugins: Sequence[PluginRecord], kinds: Iterable[Kind], sum_up: bool) -> None:
    out = console()
    working = [plugin for plugin in plugins if plugin.is_builtin and plugin.status == "ok"]
    listed = [plugin for plugin in plugins if plugin not in working] if sum_up else plugins
    if sum_up:
        out.print(f"{len(working)} built-in plugins: {_sum_up(working, kinds)}", soft_wrap=True)
    if not listed:
        out.print("no others" if sum_up else "none", soft_wrap=True)
    else:
        out.print(_table(listed))
    for plugin in listed:
        if plugin.reason:
            out.print(f"{plugin.status}: {plugin.name} of {plugin.distribution}: {plugin.reason}", soft_wrap=True)
    for plugin in plugins:
        for words in plugin.deprecated:
            out.print(f"deprecated: {plugin.name} of {plugin.distribution}: {words}", soft_wrap=True)


def _table(plugins: Iterable[PluginRecord]) -> Table:
    rows = table("name", "distribution", "version", "API", "status", "provides")
    for plugin in plugins:
        provided = [*plugin.provides, *(f"event {event}" for event in plugin.hooks)]
        rows.add_row(plugin.name, plugin.distribution, plugin.version, plugin.api, plugin.status, ", ".join(provided))
    return rows


def _sum_up(plugins: Sequence[PluginRecord], kinds: Iterable[Kind]) -> str:
    counts = Counter(_kind(component) for plugin in plugins for component in plugin.provides)
    provided = [(counts[kind.name], kind) for kind in kinds if counts[kind.name]]
    parts = [f"{count} {kind.name if count == 1 else kind.plural}" for count, kind in provided]
    followers = sum(bool(plugin.hooks) for plugin in plugins)
    return ", ".join([*parts, f"{followers} that follow run events"])


def _kind(component: str) -> str:
    return component.split()[0]
