"""Find images and their masks, and read the tables that describe them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from reorder_kit.data.csv_table import read_table
from reorder_kit.data.file_identity import name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_walk import ImageWalk, image_endings
from reorder_kit.data.mask_file import LARGEST_VALUE, MASK_EXTENSIONS
from reorder_kit.data.real_files import is_folder
from reorder_kit.data.spellings import RESPELLED_FOUND, Spellings
from reorder_kit.data.split_names import KNOWN_NAMES, Split, split_of
from reorder_kit.data.whole_numbers import whole_number
from reorder_kit.errors import ReorderKitError


def find_pairs(
    root: Path, images: Path, masks: Path, skip_unmasked: bool, findings: Findings
) -> dict[str, tuple[Path, Path]]:
    """Each image and its mask, by their common name: the path relative to the folder, without the extension.

    Args:
        root: the data's folder; findings name files relative to it.
        images: a folder, which is searched with its subfolders.
        masks: a folder with the same layout.
        skip_unmasked: leave out images without a mask.
        findings: collects what is left out, and names spelled in two ways.

    Raises:
        ReorderKitError: if a folder is missing, an image has no mask, two files have one name, or nothing is left.
    """
    image_files = _files(images, ImageWalk(root, "data.images", image_endings(), findings))
    mask_files = _files(masks, ImageWalk(root, "data.masks", MASK_EXTENSIONS, findings, has_each_once=False))
    mask_of = match_names(image_files, mask_files, "data.masks", findings)
    unmasked = [name for name in image_files if name not in mask_of]
    if unmasked and not skip_unmasked:
        raise ReorderKitError(
            f"data.masks: {image_files[unmasked[0]]} has no mask; {masks / unmasked[0]}.png does not exist",
            f"accepted extensions: {', '.join(MASK_EXTENSIONS)}; unmasked_images: skip leaves such images out",
        )
    if not mask_of:
        raise ReorderKitError(f"data.images: {images} has no image with a mask")
    without_image = sorted(set(mask_files) - set(mask_of.values()))
    for what, names, files in (
        ("images without a mask are left out", unmasked, image_files),
        ("masks without an image are left out", without_image, mask_files),
    ):
        if names:
            findings.add(what, name_below(root, str(files[names[0]])), len(names))
    return {name: (image_files[name], mask_files[mask]) for name, mask in mask_of.items()}


def match_names(wanted: Collection[str], known: Mapping[str, object], field: str, findings: Findings) -> dict[str, str]:
    """The known name that each wanted name means; wanted names without a match are left out.

    Without an exact match, a name also matches if it differs only in Unicode form or slashes.

    Args:
        wanted: the names to find.
        known: the existing names.
        field: the recipe's field that leads to the wanted names, for messages.
        findings: collects names spelled in two ways.

    Raises:
        ReorderKitError: if a name matches several known names, or two names match the same one.
    """
    spellings = Spellings(name for name in known if name not in wanted)
    found: dict[str, str] = {}
    wanted_as: dict[str, str] = {}
    for name in wanted:
        meant = [name] if name in known else spellings.of(name)
        if len(meant) > 1:
            listed = " and ".join(map(ascii, meant))
            raise ReorderKitError(
                f"{field}: {name} could mean {listed}",
                "these differ only in Unicode form; rename or remove some",
            )
        for each in meant:
            if each in wanted_as:
                raise ReorderKitError(
                    f"{field}: {wanted_as[each]!a} and {name!a} both mean {each}", "remove or rename one"
                )
            wanted_as[each], found[name] = name, each
            if each != name:
                findings.add(RESPELLED_FOUND, name)
    return found


def names_below(
    images: Path, folder: str, names: Mapping[str, Split], known: Mapping[str, object], findings: Findings
) -> dict[str, Split]:
    """The splits by name relative to the image folder, where the index has names relative to a parent folder.

    Args:
        images: the image folder.
        folder: the same folder, as given in the recipe.
        names: the split of each name in the index.
        known: the names of the images.
        findings: collects names that start above the image folder.

    Raises:
        ReorderKitError: if two names become the same.
    """
    tops = tuple(f"{PurePosixPath(top)}/" for top in (folder, images))
    spellings = Spellings(known)
    found: dict[str, Split] = {}
    for name, split in names.items():
        slashed = str(PurePosixPath(name.replace("\\", "/")))
        top = next((top for top in tops if slashed.startswith(top)), None)
        below = name if top is None or spellings.of(name) else slashed.removeprefix(top)
        if below in found or (below != name and below in names):
            raise ReorderKitError(f"data.index: {name!r} and {below!r} are the same image", "keep one of them")
        if below != name:
            findings.add("names in the index start above the image folder", name)
        found[below] = split
    return found


def read_index(file: Path) -> dict[str, Split]:
    """The split of each image, by name without extension: ``train``, ``validation`` or ``test``.

    Raises:
        ReorderKitError: naming the invalid line of the table.
    """
    splits: dict[str, Split] = {}
    for line, (name, given) in read_table(file, ("name", "split"), "data.index"):
        stem = Path(name).with_suffix("").as_posix() if name.lower().endswith(image_endings()) else name
        split = split_of(given)
        if split is None:
            raise ReorderKitError(
                f"data.index: {file}, line {line}: {given!r} is not a split", f"use one of {KNOWN_NAMES}"
            )
        if stem in splits:
            raise ReorderKitError(f"data.index: {file}, line {line}: {name!r} already has an earlier line")
        splits[stem] = split
    return splits


def read_class_table(file: Path, ignored: Collection[int]) -> dict[int, str]:
    """The name of each id that is not ignored, in ascending order of ids.

    Raises:
        ReorderKitError: naming the invalid line of the table.
    """
    names: dict[int, str] = {}
    for line, (number, name) in read_table(file, ("id", "name"), "data.class_table"):
        value = whole_number(number)
        if value is None or not 0 <= value <= LARGEST_VALUE:
            raise ReorderKitError(
                f"data.class_table: {file}, line {line}: the id must be a whole number from 0 to {LARGEST_VALUE}, not "
                f"{number!r}"
            )
        if value in names:
            raise ReorderKitError(f"data.class_table: {file}, line {line}: the id {number} already has an earlier line")
        names[value] = name
    return {number: names[number] for number in sorted(names) if number not in ignored}


def _files(folder: Path, walk: ImageWalk) -> dict[str, Path]:
    if not is_folder(folder, walk.field):
        raise ReorderKitError(f"{walk.field}: the folder {folder} does not exist")
    found: dict[str, Path] = {}
    for path in map(Path, walk.files(folder)):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise ReorderKitError(f"{walk.field}: {found[name]} and {path} have the same name", "keep one of them")
        found[name] = path
    return found
