"""Where the starting orders of a study come from: which are fixed rules, and which were chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.studies.results import Origin


def origin_of(section: Mapping[str, Any], host: PluginHost) -> Origin:
    """Where a starting order comes from.

    * ``rule``: an ordering that follows a rule.
    * ``random``: one that draws at random, with another seed for each run or not.
    * ``file``: an order that was written down; nobody knows how it was found.
    * ``chosen``: by a prior or a race, which look at data or trained models.

    Args:
        section: what ``order.start`` of a recipe would say.
        host: tells which orderings draw at random.
    """
    if "prior" in section or "race" in section:
        return "chosen"
    name = str(section.get("name"))
    if "file" in section or name == "custom":
        return "file"
    return "random" if name in host.orderings and host.orderings.get(name).drawn_with(0) else "rule"
