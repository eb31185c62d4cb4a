"""The origin of a study's starting orders: fixed rules, random orders, files, or choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.studies.results import Origin


def origin_of(section: Mapping[str, Any], host: PluginHost) -> Origin:
    """Determine where a starting order comes from.

    * ``rule``: an ordering that follows a rule.
    * ``random``: an ordering that draws at random, with a different seed for each run or not.
    * ``file``: an order from a file; how it was found is unknown.
    * ``chosen``: by a prior or a race, which look at data or trained models.

    Args:
        section: the content of ``order.start`` in a recipe.
        host: the plugins, which know the random orderings.
    """
    if "prior" in section or "race" in section:
        return "chosen"
    name = str(section.get("name"))
    if "file" in section or name == "custom":
        return "file"
    return "random" if name in host.orderings and host.orderings.get(name).drawn_with(0) else "rule"
