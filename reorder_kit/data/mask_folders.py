"""Find images and their masks, and read the tables beside them."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from reorder_kit.data.csv_table import read_table
from reorder_kit.data.mask_file import LARGEST_VALUE, MASK_EXTENSIONS
from reorder_kit.data.split_folders import VALIDATION_NAMES
from reorder_kit.errors import ReorderKitError

SPLITS = {"train": "train", "test": "test", **dict.fromkeys(VALIDATION_NAMES, "validation")}


def find_pairs(images: Path, masks: Path, skip_unmasked: bool) -> dict[str, tuple[Path, Path]]:
    """Each image and its mask, by their common name: the path below the folder, without the ending.

    Args:
        images: a folder; folders below it are searched, too.
        masks: a folder laid out in the same way.
        skip_unmasked: leave images without a mask out.

    Raises:
        ReorderKitError: if a folder is missing, an image has no mask, two files have one name, or nothing is left.
    """
    # Imported on first use: torchvision takes seconds.
    from torchvision.datasets.folder import IMG_EXTENSIONS

    image_files = _files(images, IMG_EXTENSIONS, "data.images")
    mask_files = _files(masks, MASK_EXTENSIONS, "data.masks")
    pairs = {name: (image, mask_files[name]) for name, image in image_files.items() if name in mask_files}
    if len(pairs) < len(image_files) and not skip_unmasked:
        name = next(name for name in image_files if name not in mask_files)
        raise ReorderKitError(
            f"data.masks: {image_files[name]} has no mask; there is no {masks / name}.png",
            f"endings that count: {', '.join(MASK_EXTENSIONS)}; unmasked_images: skip leaves such images out",
        )
    if not pairs:
        raise ReorderKitError(f"data.images: there is no image with a mask in {images}")
    return pairs


def read_index(file: Path) -> dict[str, str]:
    """The split of each image, by its name without the ending: ``train``, ``validation`` or ``test``.

    Raises:
        ReorderKitError: naming the line, if it is no such table.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS

    splits: dict[str, str] = {}
    for line, (name, split) in read_table(file, ("name", "split"), "data.index"):
        stem = Path(name).with_suffix("").as_posix() if name.lower().endswith(IMG_EXTENSIONS) else name
        if split not in SPLITS:
            raise ReorderKitError(
                f"data.index: {file}, line {line}: there is no split {split!r}", "it is one of train, val and test"
            )
        if stem in splits:
            raise ReorderKitError(f"data.index: {file}, line {line}: {name!r} has a line before this one")
        splits[stem] = SPLITS[split]
    return splits


def read_class_table(file: Path, ignored: Collection[int]) -> dict[int, str]:
    """The name of each id that is not ignored, in the sequence of the ids.

    Raises:
        ReorderKitError: naming the line, if it is no such table.
    """
    names: dict[int, str] = {}
    for line, (number, name) in read_table(file, ("id", "name"), "data.class_table"):
        if not number.isdecimal() or int(number) > LARGEST_VALUE:
            raise ReorderKitError(
                f"data.class_table: {file}, line {line}: the id {number!r} is no whole number from 0 to {LARGEST_VALUE}"
            )
        if int(number) in names:
            raise ReorderKitError(f"data.class_table: {file}, line {line}: the id {number} has a line before this one")
        names[int(number)] = name
    return {number: names[number] for number in sorted(names) if number not in ignored}


def _files(folder: Path, endings: Collection[str], field: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise ReorderKitError(f"{field}: there is no folder {folder}")
    found: dict[str, Path] = {}
    for place, folders, files in os.walk(folder, followlinks=True):
        # In place, since that decides where the walk goes.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(place, file)
            if path.suffix.lower() not in endings or file.startswith("."):
                continue
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise ReorderKitError(f"{field}: {found[name]} and {path} have one name", "keep one of them")
            found[name] = path
    return found
