"""Find images and their masks, and read the tables beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from reorder_kit.data.csv_table import read_table
from reorder_kit.data.file_identity import name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_walk import ImageWalk, image_endings
from reorder_kit.data.mask_file import LARGEST_VALUE, MASK_EXTENSIONS
from reorder_kit.data.real_files import is_folder
from reorder_kit.data.spellings import RESPELLED_FOUND, Spellings
from reorder_kit.data.split_names import KNOWN_NAMES, Split, split_of
from reorder_kit.errors import ReorderKitError

_MOST_DIGITS = 20  # Python refuses to read numbers of thousands


def find_pairs(
    root: Path, images: Path, masks: Path, skip_unmasked: bool, findings: Findings
) -> dict[str, tuple[Path, Path]]:
    """Each image and its mask, by their common name: the path below the folder, without the ending.

    Args:
        root: the folder of the data, which findings name files from.
        images: a folder; folders below it are searched, too.
        masks: a folder laid out in the same way.
        skip_unmasked: leave images without a mask out.
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
            f"data.masks: {image_files[unmasked[0]]} has no mask; there is no {masks / unmasked[0]}.png",
            f"endings that count: {', '.join(MASK_EXTENSIONS)}; unmasked_images: skip leaves such images out",
        )
    if not mask_of:
        raise ReorderKitError(f"data.images: there is no image with a mask in {images}")
    without_image = sorted(set(mask_files) - set(mask_of.values()))
    for what, names, files in (
        ("images without a mask are left out", unmasked, image_files),
        ("masks without an image are left out", without_image, mask_files),
    ):
        if names:
            findings.add(what, name_below(root, str(files[names[0]])), len(names))
    return {name: (image_files[name], mask_files[mask]) for name, mask in mask_of.items()}


def match_names(wanted: Collection[str], known: Mapping[str, object], field: str, findings: Findings) -> dict[str, str]:
    """The known name that each wanted one means; without those that mean none.

    Where there is no exact one, another counts that differs in nothing but its Unicode form or slashes.

    Args:
        wanted: names.
        known: the names that there are.
        field: the recipe's field that leads to the wanted ones, for messages.
        findings: collects names spelled in two ways.

    Raises:
        ReorderKitError: if a name could mean several, or two mean one.
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
                "these differ in nothing but their Unicode form; rename or remove some",
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


def read_index(file: Path) -> dict[str, Split]:
    """The split of each image, by its name without the ending: ``train``, ``validation`` or ``test``.

    Raises:
        ReorderKitError: naming the line, if it is no such table.
    """
    splits: dict[str, Split] = {}
    for line, (name, given) in read_table(file, ("name", "split"), "data.index"):
        stem = Path(name).with_suffix("").as_posix() if name.lower().endswith(image_endings()) else name
        split = split_of(given)
        if split is None:
            raise ReorderKitError(
                f"data.index: {file}, line {line}: there is no split {given!r}", f"it is one of {KNOWN_NAMES}"
            )
        if stem in splits:
            raise ReorderKitError(f"data.index: {file}, line {line}: {name!r} has a line before this one")
        splits[stem] = split
    return splits


def read_class_table(file: Path, ignored: Collection[int]) -> dict[int, str]:
    """The name of each id that is not ignored, in the sequence of the ids.

    Raises:
        ReorderKitError: naming the line, if it is no such table.
    """
    names: dict[int, str] = {}
    for line, (number, name) in read_table(file, ("id", "name"), "data.class_table"):
        if not number.isdecimal() or len(number) > _MOST_DIGITS or int(number) > LARGEST_VALUE:
            raise ReorderKitError(
                f"data.class_table: {file}, line {line}: the id {number!r} is no whole number from 0 to {LARGEST_VALUE}"
            )
        if int(number) in names:
            raise ReorderKitError(f"data.class_table: {file}, line {line}: the id {number} has a line before this one")
        names[int(number)] = name
    return {number: names[number] for number in sorted(names) if number not in ignored}


def _files(folder: Path, walk: ImageWalk) -> dict[str, Path]:
    if not is_folder(folder, walk.field):
        raise ReorderKitError(f"{walk.field}: there is no folder {folder}")
    found: dict[str, Path] = {}
    for path in map(Path, walk.files(folder)):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise ReorderKitError(f"{walk.field}: {found[name]} and {path} have one name", "keep one of them")
        found[name] = path
    return found
