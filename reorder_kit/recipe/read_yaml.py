"""Reads recipe files: YAML without surprises."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from reorder_kit.errors import ReorderKitError


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without tags; a key given twice is an error, not silently the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            reason = "is given twice" if isinstance(key, Hashable) and key in seen else "is no plain value"
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} {reason}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, source: str) -> Any:
    """Parse YAML safely.

    Raises:
        ReorderKitError: with file, line and column, if it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise ReorderKitError(f"{where}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        # PyYAML lets the last three through: of impossible dates and numbers, and of nesting without end.
        raise ReorderKitError(f"{source}: not YAML: {error}") from None


def read_recipe_file(path: Path) -> dict[str, Any]:
    """The content of a recipe file, not yet checked."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ReorderKitError(f"{path}: {reason}") from None
    content = read_yaml(text, str(path))
    if not isinstance(content, dict):
        raise ReorderKitError(f"{path}: a recipe is a mapping of fields", "start with format_version: 1")
    return content
