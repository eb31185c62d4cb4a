"""Fields of a recipe by their dotted paths: replaced, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError, quoted, shortened
from reorder_kit.recipe.plain_yaml import MOST_DEPTH
from reorder_kit.recipe.read_yaml import read_yaml


def override(content: Mapping[str, Any], assignments: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The same recipe with fields replaced.

    Args:
        content: a recipe's content.
        assignments: dotted field paths and their new values.

    Raises:
        ReorderKitError: if a path leads through something that has no fields, or through too many sections.

    >>> override({"train": {"epochs": 5}}, [("train.epochs", 3)])
    {'train': {'epochs': 3}}
    """
    changed = dict(content)
    for path, value in assignments:
        keys = path.split(".", maxsplit=MOST_DEPTH)
        if len(keys) > MOST_DEPTH:
            raise ReorderKitError(f"--set {shortened(path)}: sections lie no more than {MOST_DEPTH} deep")
        _assign(changed, path, keys, value)
    return changed


def _assign(section: dict[str, Any], path: str, keys: list[str], value: Any) -> None:
    key, *rest = keys
    if not rest:
        section[key] = value
        return
    inner = section.get(key)
    if isinstance(inner, str):  # the short form of a component
        inner = {"name": inner}
    if inner is not None and not isinstance(inner, dict):
        raise ReorderKitError(f"--set {shortened(path)}: {shortened(key)} is {quoted(inner)} and has no fields")
    section[key] = dict(inner or {})
    _assign(section[key], path, rest, value)


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read ``path.to.field=value``; the value is YAML.

    >>> parse_assignment("train.epochs=3")
    ('train.epochs', 3)
    """
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise ReorderKitError(f"--set {shortened(text)}: not an assignment", "write --set train.epochs=3")
    return path, read_yaml(value, f"--set {shortened(path)}")


def differences(first: Any, second: Any, path: str = "") -> list[str]:
    """The dotted paths of the fields that differ; two spellings of the path of one file do not.

    >>> differences({"seed": 0, "train": {"epochs": 5}}, {"seed": 0, "train": {"epochs": 3}})
    ['train.epochs']
    """
    if isinstance(first, dict) and isinstance(second, dict):
        keys = sorted(first.keys() | second.keys())
        return [
            found for key in keys for found in differences(first.get(key), second.get(key), f"{path}.{key}".strip("."))
        ]
    return [] if first == second or _are_one_file(first, second) else [path]


def _are_one_file(first: Any, second: Any) -> bool:
    """As from another working directory, or through a symbolic link."""
    if not (isinstance(first, str) and isinstance(second, str) and "/" in first + second):
        return False
    return Path(first).resolve() == Path(second).resolve()
