"""Find the folders of the splits."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reorder_kit.errors import ReorderKitError

VALIDATION_NAMES = ("val", "valid", "validation")
"""How people call the validation split."""


class SplitFolders(NamedTuple):
    """Where the images of each split are; None for a split that has to be set aside.

    Args:
        train: images for training, from which missing splits are set aside.
        validation: images for validation.
        test: images for the test.
    """

    train: Path
    validation: Path | None
    test: Path | None


def find_split_folders(root: Path, field: str = "data.root") -> SplitFolders:
    """Look for ``train``, ``val`` (``valid``, ``validation``) and ``test``.

    Where there is val but no test, as ImageNet is laid out, val is the test split. A folder with none of them is taken
    for training as a whole.

    Args:
        root: the folder.
        field: the recipe's field that names it, for messages.

    Raises:
        ReorderKitError: if the folder is not there, holds splits but no train, or several for validation.
    """
    if not root.is_dir():
        raise ReorderKitError(f"{field}: there is no folder {root}")
    found = [name for name in ("train", *VALIDATION_NAMES, "test") if (root / name).is_dir()]
    if not found:
        return SplitFolders(root, None, None)
    if "train" not in found:
        raise ReorderKitError(f"{field}: {root} has a folder {found[0]!r}, but none that is named 'train'")
    validation = [root / name for name in found if name in VALIDATION_NAMES]
    if len(validation) > 1:
        names = " and ".join(repr(folder.name) for folder in validation)
        raise ReorderKitError(f"{field}: {root} has several folders for validation, {names}", "keep one")
    if "test" in found:
        return SplitFolders(root / "train", validation[0] if validation else None, root / "test")
    return SplitFolders(root / "train", None, validation[0] if validation else None)
