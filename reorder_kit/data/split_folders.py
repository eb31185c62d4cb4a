"""Find the folders of splits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from reorder_kit.data.findings import Findings
from reorder_kit.data.image_walk import is_junk
from reorder_kit.data.real_files import is_folder, leads_to_folder
from reorder_kit.data.split_names import Split, by_split, look_like_splits, split_of
from reorder_kit.errors import ReorderKitError


class SplitFolders(NamedTuple):
    """The folder of each split; None for a split that has to be set aside.

    Args:
        train: images for training, from which missing splits are set aside.
        validation: images for validation.
        test: images for the test.
    """

    train: Path
    validation: Path | None
    test: Path | None


def find_split_folders(root: Path, findings: Findings, field: str = "data.root") -> SplitFolders:
    """Look for ``train``, ``val`` and ``test``, under all their names in any case.

    If there is val but no test, as in ImageNet, val is the test split. A folder without any of them is used as a whole
    for training.

    Args:
        root: the folder.
        findings: collects folders that are left out.
        field: the recipe's field that names it, for messages.

    Raises:
        ReorderKitError: if the folder does not exist, holds splits but no train, or several for one split.
    """
    if not is_folder(root, field):
        raise ReorderKitError(f"{field}: the folder {root} does not exist")
    found = folders_by_split(root, field)
    names = folders_in(root, field)
    if not found:
        if look_like_splits(names):
            raise ReorderKitError(
                f"{field}: the folders of {root} look like splits: {', '.join(names)}",
                "name them train, val and test; or give one of them, if its folders are classes",
            )
        beside = [name for name in _split_folders_beside(root) if split_of(root.name)]
        if beside:
            findings.add("split folders next to the given one are not read", beside[0], len(beside))
        return SplitFolders(root, None, None)
    if "train" not in found:
        first = min(folder.name for folder in found.values())
        raise ReorderKitError(f"{field}: {root} has a folder {first!r}, but none named 'train'")
    others = [name for name in names if split_of(name) is None]
    if others:
        findings.add("folders other than splits are left out", others[0], len(others))
    train, validation, test = found["train"], found.get("validation"), found.get("test")
    return SplitFolders(train, None, validation) if test is None else SplitFolders(train, validation, test)


def require_train_and_val(root: Path, hint: str) -> tuple[Path, Path]:
    """The folders for training and validation, under all their names in any case.

    Args:
        root: the folder that holds both.
        hint: what to do if one is missing.

    Raises:
        ReorderKitError: if one of them is missing, or there are two for one split.
    """
    found = folders_by_split(root, "data.root")
    for split, name in (("train", "train"), ("validation", "val")):
        if split not in found:
            raise ReorderKitError(f"data.root: the folder {root / name} does not exist", hint)
    return found["train"], found["validation"]


def folders_by_split(folder: Path, field: str) -> dict[Split, Path]:
    """The folders in a folder that have names of splits.

    Args:
        folder: where to look; if it does not exist, the result is empty.
        field: the recipe's field that leads to it, for messages.

    Raises:
        ReorderKitError: if there are two for one split.
    """
    names = by_split(folders_in(folder, field), f"{field}: {folder}", "keep one of these folders")
    return {split: folder / name for split, name in names.items()}


def folders_in(folder: Path, field: str) -> list[str]:
    """Names of the folders in a folder, sorted, except hidden ones and those of operating systems.

    Args:
        folder: where to look; if it does not exist, the result is empty.
        field: the recipe's field that leads to it, for messages.

    Raises:
        ReorderKitError: if it cannot be read.
    """
    if not is_folder(folder, field):
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not is_junk(entry.name) and leads_to_folder(entry))
    except OSError as error:
        raise ReorderKitError(f"{field}: the folder {folder} cannot be read: {error.strerror}") from error


def _split_folders_beside(folder: Path) -> list[str]:
    whole = Path(os.path.normpath(folder.absolute()))
    try:
        names = folders_in(whole.parent, "data")
    except ReorderKitError:  # the parent folder may be unreadable
        return []
    return [name for name in names if split_of(name) and name != whole.name]
