"""Options and fields in a table, with the words of ``reorder-kit describe``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reorder_kit.recipe.write_yaml import yaml_in_line
from site_pages.markdown import code, plain, table


def option_table(options: Iterable[Mapping[str, Any]], name: str = "option") -> str:
    """A row for each option: its name, its type with its bounds, its default, and what it means.

    Args:
        options: as ``describe`` gives them.
        name: what they are called.
    """
    return table(
        [name, "type", "default", "meaning"],
        (
            [
                f"`{option['name']}`",
                plain(option["type"]),
                "*required*" if option["required"] else code(yaml_in_line(option["default"])),
                plain(option["description"] or option.get("doc", "").partition("\n")[0]),
            ]
            for option in options
        ),
    )
