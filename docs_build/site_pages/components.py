"""A page for each kind of component, with every option of each: what ``reorder-kit describe`` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reorder_kit.cli._description import describe_component, describe_kind
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.host.registry import Registry
from site_pages.markdown import block, docstring, plain, table
from site_pages.option_tables import option_table


def component_pages() -> dict[str, str]:
    """The pages of the built-in components, by source; plugins that happen to be installed are left out."""
    host = PluginHost(third_party=False)
    return {
        f"reference/components/{registry.kind.plural}.md": "\n".join(_page(registry))
        for registry in host.registries.values()
    }


def _page(registry: Registry[Any]) -> Iterator[str]:
    kind = describe_kind(registry)
    yield f"# {registry.kind.plural.replace('-', ' ').capitalize()}\n"
    yield f"{plain(kind['doc'])}\n"
    yield block(f"reorder-kit describe {kind['kind']}", "console")
    if not kind["components"]:
        yield "The package has none of its own; plugins do.\n"
        return
    yield table(
        ["name", "what it is"],
        ([f"[`{each['name']}`](#{each['name']})", plain(each["doc"])] for each in kind["components"]),
    )
    for name in registry:
        yield from _component(describe_component(registry, name))


def _component(described: dict[str, Any]) -> Iterator[str]:
    yield f"## {described['name']}\n"
    yield f"{docstring(described['doc'])}\n"
    if described["says"]:
        yield table(["fact", ""], ([plain(fact), plain(str(value))] for fact, value in described["says"].items()))
    if not described["options"]:
        yield "It has no options.\n"
        return
    yield option_table(described["options"])
    for option in described["options"]:
        if "hint" in option:
            yield f"`{option['name']}`: {plain(option['hint'])}.\n"
        if "doc" in option:
            yield f"`{option['name']}`: {docstring(option['doc'])}\n"
