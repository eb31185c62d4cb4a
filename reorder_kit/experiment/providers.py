"""The plugins that a run was trained with, and which of them is missing when it is opened again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from reorder_kit.errors import Problem, RecipeError, ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.checksums import strict_json
from reorder_kit.runs.record import Record
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.whole_file import write_unless_same


class WrittenPlugin(Record):
    """A plugin in ``plugins.json``.

    Args:
        name: the name of the entry point, or of the module for a built-in plugin.
        distribution: the package that it came with.
        version: the version of that package.
        status: ``ok``, ``failed`` or ``blocked``.
        provides: its components as ``kind name``.
    """

    name: str
    distribution: str
    version: str
    status: str
    provides: list[str]


def write_plugins(folder: RunFolder, host: PluginHost) -> None:
    """Write the available plugins to the run folder, except the command line's listeners (without a distribution)."""
    written = [
        WrittenPlugin(
            name=plugin.name,
            distribution=plugin.distribution,
            version=plugin.version,
            status=plugin.status,
            provides=plugin.provides,
        )
        for plugin in host.plugins
        if plugin.distribution
    ]
    write_unless_same(folder.plugins, json.dumps([plugin.as_dict() for plugin in written], indent=2) + "\n")


def naming_providers(error: ReorderKitError, folder: RunFolder, host: PluginHost) -> ReorderKitError:
    """The same error, with the plugin that provided the missing component.

    Args:
        error: says why the run's recipe cannot be composed.
        folder: the run's folder.
        host: the available plugins.
    """
    if not isinstance(error, RecipeError):
        return error
    providers = dict(_providers(folder))
    problems = [_with_provider(problem, providers, host) for problem in error.problems]
    return RecipeError(problems, str(folder.recipe))


def _providers(folder: RunFolder) -> Iterator[tuple[str, WrittenPlugin]]:
    """The plugin that provided each component, by the registry's message if it is missing."""
    for plugin in _read(folder):
        for provided in plugin.provides:
            kind, _, name = provided.partition(" ")
            yield f"there is no {kind} {name!r}", plugin


def _read(folder: RunFolder) -> list[WrittenPlugin]:
    """The written plugins; empty if the file is missing or damaged, because it only adds to another error."""
    with suppress(OSError, ValueError, TypeError, ReorderKitError):
        content = strict_json(folder.plugins.read_bytes())
        return [WrittenPlugin.parse(plugin, str(folder.plugins)) for plugin in content]
    return []


def _with_provider(problem: Problem, providers: dict[str, WrittenPlugin], host: PluginHost) -> Problem:
    plugin = next((plugin for words, plugin in providers.items() if words in problem.message), None)
    if plugin is None:
        return problem
    provided = f"plugin {plugin.name!r} of {plugin.distribution} {plugin.version} provided it"
    there = next((each for each in host.plugins if each.name == plugin.name and each.status != "ok"), None)
    hint = (
        f"{provided}: pip install {plugin.distribution}=={plugin.version}"
        if there is None
        else f"{provided}, and is {there.status} here: {there.reason}"
    )
    return replace(problem, hint=hint)
