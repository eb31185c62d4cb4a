"""Replace and compare fields of a recipe by their dotted paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError, quoted, shortened
from reorder_kit.recipe.plain_yaml import MOST_DEPTH
from reorder_kit.recipe.read_yaml import read_yaml


def override(content: Mapping[str, Any], assignments: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The recipe with some fields replaced.

    Args:
        content: a recipe's content.
        assignments: dotted field paths and their new values; the entries of a list are numbered from 0.

    Raises:
        ReorderKitError: if a path leads through a value without fields, to a missing entry of a list, or through too
            many sections.

    >>> override({"train": {"epochs": 5}}, [("train.epochs", 3)])
    {'train': {'epochs': 3}}
    >>> override({"levels": [{"depth": 1}, {"depth": 1}]}, [("levels.1.depth", 2)])
    {'levels': [{'depth': 1}, {'depth': 2}]}
    """
    changed = dict(content)
    for path, value in assignments:
        keys = path.split(".", maxsplit=MOST_DEPTH)
        if len(keys) > MOST_DEPTH:
            raise ReorderKitError(f"--set {shortened(path)}: sections can be at most {MOST_DEPTH} deep")
        _assign(changed, path, keys, value)
    return changed


def _assign(section: dict[str, Any], path: str, keys: list[str], value: Any) -> None:
    key, *rest = keys
    section[key] = _changed(section.get(key), path, key, rest, value)


def _changed(before: Any, path: str, name: str, keys: list[str], value: Any) -> Any:
    """The former value of the field ``name``, with the value set at the end of the keys."""
    if not keys:
        return value
    if isinstance(before, list | tuple):
        place, entries = _place_in(before, path, name, keys[0]), list(before)
        entries[place] = _changed(entries[place], path, keys[0], keys[1:], value)
        return entries
    if isinstance(before, str):  # the short form of a component
        before = {"name": before}
    if before is not None and not isinstance(before, dict):
        raise ReorderKitError(f"--set {shortened(path)}: {shortened(name)} is {quoted(before)} and has no fields")
    section = dict(before or {})
    _assign(section, path, keys, value)
    return section


def _place_in(entries: Sequence[Any], path: str, name: str, key: str) -> int:
    if not (key.isascii() and key.isdecimal() and len(key) < 10 and int(key) < len(entries)):
        most = len(entries) - 1
        numbers = {-1: "it is empty", 0: "its only entry is 0"}.get(most, f"its entries are 0 to {most}")
        raise ReorderKitError(
            f"--set {shortened(path)}: {shortened(name)} is a list without an entry {shortened(key)}: {numbers}",
            "use one of these, or set the whole list",
        )
    return int(key)


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
    """The dotted paths of the fields that differ; two spellings of a file's path count as equal.

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
    """Whether two paths lead to one file, such as from another working directory or through a symbolic link."""
    if not (isinstance(first, str) and isinstance(second, str) and "/" in first + second):
        return False
    return Path(first).resolve() == Path(second).resolve()
