"""Write recipes as YAML that has the same meaning in YAML 1.1 and 1.2."""

from __future__ import annotations

from typing import Any

import yaml

from reorder_kit.recipe.plain_scalars import DECIMAL, WHOLE_IN_OTHER_BASE
from reorder_kit.recipe.plain_yaml import MOST_NODES
from reorder_kit.recipe.read_yaml import read_yaml


def write_yaml(content: Any, source: str = "recipe") -> str:
    """Plain data as YAML, one field per line, in the given sequence.

    Args:
        content: mappings, lists, strings, numbers, booleans and None.
        source: its name in messages.

    Raises:
        ReorderKitError: if it is so large that :func:`~reorder_kit.recipe.read_yaml.read_yaml` would refuse it.
    """
    text: str = yaml.dump(content, Dumper=_Dumper, sort_keys=False)
    if len(text) > MOST_NODES:  # a shorter text can only exceed the limit of depth
        read_yaml(text, source)
    return text


def yaml_in_line(value: Any) -> str:
    """Plain data as YAML on one line.

    >>> yaml_in_line({"shape": "constant", "peak": 0.2, "word": "1e-3"})
    "{shape: constant, peak: 0.2, word: '1e-3'}"
    """
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=1000, sort_keys=False)
    return text.removesuffix("...\n").strip()


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper, which quotes strings that YAML 1.1 would read as something else, extended to YAML 1.2."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", DECIMAL, list("-+.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", WHOLE_IN_OTHER_BASE, list("0"))
