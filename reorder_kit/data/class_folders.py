"""Image files below one folder for each class."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from reorder_kit.errors import ReorderKitError

_log = logging.getLogger(__name__)


def _class_names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def find_classes(folder: Path) -> list[str]:
    """The names of the class folders, sorted; hidden folders are none.

    Raises:
        ReorderKitError: if there are none.
    """
    classes = _class_names(folder)
    if not classes:
        raise ReorderKitError(
            f"data.root: no classes found, {folder} has no folders",
            "one folder for each class; train, val and test are names of splits, not of classes",
        )
    return classes


def find_files(folder: Path, classes: Sequence[str], skip_others: bool = False) -> list[tuple[str, int]]:
    """The image files of each class, sorted by class and path, with the number of the class.

    A class without a folder has no images here.

    Args:
        folder: holds a folder for each class.
        classes: names of the classes, by number.
        skip_others: leave out the folders of other classes, and log how many.

    Raises:
        ReorderKitError: if the folder has a class that is not among these and not skipped, or no image at all.
    """
    # Imported on first use: torchvision takes seconds.
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    present = _class_names(folder)
    unknown = sorted(set(present) - set(classes))
    if unknown and skip_others:
        _log.warning(
            "%s: %d of %d classes are left out; the training images lack them", folder, len(unknown), len(present)
        )
    elif unknown:
        raise ReorderKitError(f"data.root: {folder} has the class {unknown[0]!r}, which the training images lack")
    numbers = {name: number for number, name in enumerate(classes) if name in present}
    files: list[tuple[str, int]] = []
    if numbers:
        files = make_dataset(folder, numbers, extensions=IMG_EXTENSIONS, allow_empty=True)
    if not files:
        raise ReorderKitError(
            f"data.root: there is no image in the folders of {folder}",
            f"endings that count: {', '.join(IMG_EXTENSIONS)}",
        )
    return files


def require_every_class(files: Sequence[tuple[str, int]], classes: Sequence[str], folder: Path) -> None:
    """Check that every class with a folder has an image.

    Raises:
        ReorderKitError: naming the first class that has none.
    """
    filled = {target for _, target in files}
    for number, name in enumerate(classes):
        if number not in filled and (folder / name).is_dir():
            raise ReorderKitError(
                f"data.root: the class {name!r} has no image in {folder / name}", "remove the folder or fill it"
            )
