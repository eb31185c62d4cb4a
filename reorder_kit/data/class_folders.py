"""Image files below one folder for each class."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reorder_kit.data.file_identity import name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_walk import JUNK_FOUND, ImageWalk, image_endings, is_junk, loose_images
from reorder_kit.data.real_files import RealFiles
from reorder_kit.data.split_folders import folders_in
from reorder_kit.data.split_names import split_of
from reorder_kit.errors import ReorderKitError

_SHOWN = 5


@dataclass(frozen=True)
class ClassFolders:
    """Reads folders of classes. What is left out is counted.

    Args:
        root: the folder of the data, which findings name files from.
        findings: collects what is left out.
        companions: endings of files that belong to images, and are not counted.
    """

    root: Path
    findings: Findings
    companions: Collection[str] = ()

    def classes(self, folder: Path) -> list[str]:
        """The names of the class folders, sorted; hidden folders and those of operating systems are none.

        Raises:
            ReorderKitError: if there are none.
        """
        classes = folders_in(folder, "data.root")
        if classes:
            return classes
        loose = loose_images(folder)
        if loose:
            raise ReorderKitError(
                f"data.root: no classes found, the images of {folder} lie in no folders, such as {loose[0]}",
                f"one folder for each class; if this is the folder of one class, give the one above: {folder.parent}",
            )
        raise ReorderKitError(
            f"data.root: no classes found, {folder} has no folders",
            "one folder for each class; train, val and test are names of splits, not of classes",
        )

    def training_classes(self, folder: Path) -> list[str]:
        """The classes of the training images.

        Raises:
            ReorderKitError: if there are fewer than two, naming the likely cause.
        """
        classes = self.classes(folder)
        if len(classes) > 1:
            return classes
        inner = folder / classes[0]
        below = folders_in(inner, "data.root")
        if below:
            shown = ", ".join(below[:_SHOWN]) + (", ..." if len(below) > _SHOWN else "")
            hint = f"if its folders ({shown}) are what to read, "
            hint += f"give data.root={inner}" if folder == self.root else f"move them up into {folder}"
        else:
            hint = "one folder for each class, and at least two of them: with one, every answer is right"
        raise ReorderKitError(f"data.root: {folder} has a single class, {classes[0]!r}", hint)

    def files(
        self, folder: Path, classes: Sequence[str], skip_others: bool = False, one_class_each: bool = True
    ) -> list[tuple[str, int]]:
        """The image files of each class, sorted by class and path, with the number of the class.

        A class without a folder has no images here. A file that several paths in one class folder lead to is listed
        once.

        Args:
            folder: holds a folder for each class.
            classes: names of the classes, by number.
            skip_others: leave out the folders of other classes, and count them.
            one_class_each: refuse a file to which paths in two class folders lead. Otherwise these have to have one
                name.

        Raises:
            ReorderKitError: if the folder has a class that is not among these and not skipped, holds splits in class
                folders, or has no image at all; for a link that leads back to a folder above it, or a file in two
                classes.
        """
        present = folders_in(folder, "data.root")
        unknown = sorted(set(present) - set(classes))
        if unknown and skip_others:
            what = "class folders that the training images lack are left out"
            self.findings.add(what, self._name(folder / unknown[0]), len(unknown))
        elif unknown:
            raise ReorderKitError(f"data.root: {folder} has the class {unknown[0]!r}, which the training images lack")
        self._count_loose(folder)
        walk = ImageWalk(self.root, "data.root", image_endings(), self.findings, self.companions)
        by_class = {name: walk.files(folder / name) for name in sorted(set(classes) & set(present))}
        if not any(by_class.values()):
            raise ReorderKitError(
                f"data.root: there is no image in the folders of {folder}",
                f"endings that count, in small or large letters: {', '.join(image_endings())}",
            )
        for name, files in by_class.items():
            _refuse_inner_splits(folder / name, files)
        _refuse_shared(folder, by_class, one_class_each)
        number_of = {name: number for number, name in enumerate(classes)}
        # By the text of the folder, then by that of the name, as torchvision's ImageFolder sorts them.
        return [
            (path, number_of[name]) for name, files in by_class.items() for path in _in_sequence(folder / name, files)
        ]

    def _count_loose(self, folder: Path) -> None:
        """Count what lies beside the class folders."""
        loose = loose_images(folder)
        if loose:
            self.findings.add("images in no class folder are left out", self._name(folder / loose[0]), len(loose))
        for path in sorted(path for path in folder.iterdir() if is_junk(path.name)):
            self.findings.add(JUNK_FOUND, self._name(path))

    def _name(self, path: Path) -> str:
        return name_below(self.root, str(path))


def _refuse_inner_splits(folder: Path, files: Iterable[str]) -> None:
    """Refuse folders of splits in a folder of a class: all of them would be mixed, and split by chance."""
    below = {Path(path).relative_to(folder).parts[0] for path in _in_inner_folders(folder, files)}
    splits = {split_of(name): name for name in sorted(below) if split_of(name)}
    if len(splits) > 1:
        raise ReorderKitError(
            f"data.root: the class folder {folder} has folders of splits, {', '.join(splits.values())}",
            f"if it is no class but the whole data, give data.root={folder}; otherwise splits stand above classes, as"
            " train/CLASS and test/CLASS",
        )


def _in_inner_folders(folder: Path, files: Iterable[str]) -> list[str]:
    """The paths of the files that lie in folders below the folder of the class."""
    length = len(str(folder))
    return [path for path in files if path.rfind(os.sep) != length]


def _in_sequence(folder: Path, files: Iterable[str]) -> list[str]:
    paths = list(files)
    # Those of one folder come sorted.
    return sorted(paths, key=os.path.split) if _in_inner_folders(folder, paths) else paths


def _refuse_shared(folder: Path, by_class: dict[str, dict[str, int]], one_class_each: bool) -> None:
    met = RealFiles()
    for name, files in by_class.items():
        for path, inode in files.items():
            before = met.met_before(path, inode)
            if before is None:
                continue
            if one_class_each:
                raise ReorderKitError(
                    f"data.root: {before} and {path} are one file, by a link, in two classes",
                    "here an image has one class; remove the link, or read it with data.name=multi-label-folder",
                )
            _, *inner = Path(before).relative_to(folder).parts
            if Path(path).relative_to(folder / name).parts != tuple(inner):
                raise ReorderKitError(
                    f"data.root: {before} and {path} are one file, by a link, under two names",
                    "an image has one name in the folders of all its classes; rename one of them",
                )


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
