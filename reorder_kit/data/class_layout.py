"""Checks that folders are classes: a root one folder too high, or masks among photographs, give meaningless classes."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from reorder_kit.data.file_identity import name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.look_alike_masks import masks_among
from reorder_kit.errors import ReorderKitError

INNER_FOUND = "images lie in folders below their class folder"
MASKS_FOUND = "images look like masks, by their names or folders, and count as images of their class"

_MANY = 0.1
"""A share of the images too large for a few slips."""
_SHOWN = 5


@dataclass(frozen=True)
class _Level:
    """What lies in the folder of a class.

    Args:
        loose: images in the folder itself.
        inner: the folders in it that hold images.
        example: an image in an inner folder; empty if there is none.
    """

    loose: int
    inner: frozenset[str]
    example: str


def look_at_layout(
    root: Path, folder: Path, places: Mapping[str, Path], by_class: Mapping[str, Collection[str]], findings: Findings
) -> None:
    """Report images in folders inside class folders, and images that may be masks of others.

    Args:
        root: the folder of the data; findings name files relative to it.
        folder: holds the class folders.
        places: the folder of each class.
        by_class: the paths of the images of each class.
        findings: collects the findings.

    Raises:
        ReorderKitError: if the folders do not look like classes, or masks lie next to their images.
    """
    levels = {name: _level(str(places[name]), files) for name, files in by_class.items()}
    _refuse_masks(root, folder, places, by_class, findings)
    _refuse_classes_below(folder, levels, is_root=folder == root)
    inner = [(level.example, len(by_class[name]) - level.loose) for name, level in levels.items() if level.example]
    if inner:
        findings.add(INNER_FOUND, name_below(root, inner[0][0]), sum(count for _, count in inner))


def _level(place: str, files: Collection[str]) -> _Level:
    start = len(place) + 1
    nested = [path for path in files if path.rfind(os.sep) >= start]
    inner = frozenset(path[start : path.index(os.sep, start)] for path in nested)
    return _Level(len(files) - len(nested), inner, nested[0] if nested else "")


def _refuse_masks(
    root: Path, folder: Path, places: Mapping[str, Path], by_class: Mapping[str, Collection[str]], findings: Findings
) -> None:
    masks: list[str] = []
    likely: list[str] = []
    for name, files in by_class.items():
        found = masks_among(str(places[name]), files)
        masks += found.certain
        likely += found.likely
    if masks and len(masks) >= _MANY * sum(map(len, by_class.values())):
        raise ReorderKitError(
            f"data.root: {len(masks)} images of {folder} are masks of images next to them, by their names, such as"
            f" {masks[0]}",
            "they would count as photographs of their class; move them out of these folders",
        )
    if masks or likely:
        findings.add(MASKS_FOUND, name_below(root, (masks + likely)[0]), len(masks) + len(likely))


def _refuse_classes_below(folder: Path, levels: Mapping[str, _Level], is_root: bool) -> None:
    """Refuse folders that hold class folders instead of images of one class."""
    for name, level in levels.items():
        others = set(levels) - {name}
        if not level.loose and len(others) > 1 and others <= level.inner:
            raise ReorderKitError(
                f"data.root: the class folder {folder / name} holds folders of the other classes, {_listed(others)}",
                "it seems to hold a copy of the data, or part of it; move it away from the class folders",
            )
    if len(levels) < 2 or any(level.loose for level in levels.values()):
        return
    if all(len(name) == 1 for name in levels) and all(
        inner.casefold().startswith(name.casefold()) for name, level in levels.items() for inner in level.inner
    ):
        first = min(levels)
        raise ReorderKitError(
            f"data.root: {folder} has one folder per letter ({_listed(levels)}), each holding folders that "
            f"start with it, such as {first}/{min(levels[first].inner)}",
            f"these inner folders look like the classes; move them up into {folder}",
        )
    common = frozenset.intersection(*(level.inner for level in levels.values()))
    # Numbered folders, such as sessions, do not distinguish classes from parts of one class.
    told_apart = {re.sub(r"\d+", "", name) for name in common}
    if len(told_apart) > max(len(levels), 2):
        first = min(levels)
        hint = f"if these are the classes, give data.root={folder / first}" if is_root else "move these up"
        raise ReorderKitError(
            f"data.root: all folders of {folder}, {_listed(levels)}, hold the same folders instead of images,"
            f" {_listed(common)}",
            f"{hint}; if {_listed(levels)} are the classes, move their images up into their folders",
        )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
