"""Image files in one folder per class."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reorder_kit.data.class_findings import alike_form
from reorder_kit.data.class_layout import look_at_layout
from reorder_kit.data.file_identity import name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.heif import AVIF_FOUND, HEIF_FOUND
from reorder_kit.data.image_walk import JUNK_FOUND, ImageWalk, image_endings, is_junk, loose_images
from reorder_kit.data.look_alike_masks import is_masks, is_pictures
from reorder_kit.data.real_files import RealFiles
from reorder_kit.data.spellings import CLASSES_RESPELLED, composed, spelled_as
from reorder_kit.data.split_folders import folders_in
from reorder_kit.data.split_names import split_of
from reorder_kit.errors import ReorderKitError

_SHOWN = 5


@dataclass(frozen=True)
class ClassFolders:
    """Reads class folders, and counts what is left out.

    Args:
        root: the folder of the data; findings name files relative to it.
        findings: collects what is left out.
        companions: extensions of files that accompany images and are not counted.
        are_nested: whether the data's layout has folders inside the class folders.
    """

    root: Path
    findings: Findings
    companions: Collection[str] = ()
    are_nested: bool = False
    _met: RealFiles = field(default_factory=RealFiles, init=False, repr=False, compare=False)

    def classes(self, folder: Path) -> list[str]:
        """The names of the class folders, sorted; hidden folders and those of operating systems are ignored.

        Names are sorted in composed Unicode form, so that a class keeps its number in a copy with decomposed names.

        Raises:
            ReorderKitError: if there are none.
        """
        classes = folders_in(folder, "data.root")
        if classes:
            return sorted(classes, key=lambda name: (composed(name), name))
        loose = loose_images(folder)
        if loose:
            raise ReorderKitError(
                f"data.root: no classes found in {folder}: its images are not in class folders, such as {loose[0]}",
                f"make one folder per class; if this is the folder of one class, give its parent: {folder.parent}",
            )
        raise ReorderKitError(
            f"data.root: no classes found: {folder} has no folders",
            "make one folder per class; train, val and test are names of splits, not of classes",
        )

    def training_classes(self, folder: Path) -> list[str]:
        """The classes of the training images.

        Raises:
            ReorderKitError: if there are fewer than two, naming the likely cause.
        """
        classes = self.classes(folder)
        if len(classes) > 1:
            _refuse_pictures_and_masks(folder, classes)
            return classes
        inner = folder / classes[0]
        below = folders_in(inner, "data.root")
        if below:
            shown = ", ".join(below[:_SHOWN]) + (", ..." if len(below) > _SHOWN else "")
            hint = f"if its folders ({shown}) are the classes, "
            hint += f"give data.root={inner}" if folder == self.root else f"move them up into {folder}"
        else:
            hint = "make one folder per class, at least two: with one class, every answer is right"
        raise ReorderKitError(f"data.root: {folder} has a single class, {classes[0]!r}", hint)

    def files(
        self, folder: Path, classes: Sequence[str], skip_others: bool = False, one_class_each: bool = True
    ) -> list[tuple[str, int]]:
        """The image files of each class with the number of the class, sorted by class and path.

        The Unicode form of a class's name may differ from that in train. A class without a folder has no images here. A
        file with several paths in one class folder is listed once.

        Args:
            folder: holds one folder per class.
            classes: names of the classes, by number.
            skip_others: leave out the folders of other classes, and count them.
            one_class_each: refuse a file with paths in two class folders. Otherwise both paths must have the same name.

        Raises:
            ReorderKitError: if the folder has an unknown class that is not skipped, holds splits or further classes in
                class folders, has masks among its images, or has no image; if a link leads back to a parent folder; or
                if a file is in two classes or in two of the folders that were read.
        """
        places = self._places(folder, classes)
        unknown = sorted(set(folders_in(folder, "data.root")) - {place.name for place in places.values()})
        if unknown and skip_others:
            what = "class folders without training images are left out"
            self.findings.add(what, self._name(folder / unknown[0]), len(unknown))
        elif unknown:
            raise _unknown_class(folder, unknown[0], classes)
        self._count_loose(folder)
        walk = ImageWalk(self.root, "data.root", image_endings(), self.findings, self.companions)
        by_class = {name: walk.files(place) for name, place in places.items()}
        if not any(by_class.values()):
            unread = [finding.what for finding in self.findings.found if finding.what in (HEIF_FOUND, AVIF_FOUND)]
            endings = f"accepted extensions, in lower or upper case: {', '.join(image_endings())}"
            raise ReorderKitError(f"data.root: the folders of {folder} hold no image", "; ".join([*unread, endings]))
        for name, files in by_class.items():
            _refuse_inner_splits(places[name], files)
        self._refuse_shared(places, by_class, one_class_each)
        if not self.are_nested:
            look_at_layout(self.root, folder, places, by_class, self.findings)
        number_of = {name: number for number, name in enumerate(classes)}
        # By the folder's text, then by the name's, as in torchvision's ImageFolder.
        return [
            (path, number_of[name]) for name, files in by_class.items() for path in _in_sequence(places[name], files)
        ]

    def _places(self, folder: Path, classes: Sequence[str]) -> dict[str, Path]:
        """The folder of each class that has one."""
        present = folders_in(folder, "data.root")
        exact = set(present) & set(classes)
        others = [name for name in present if name not in exact]
        spelled = dict(zip(spelled_as([name for name in classes if name not in exact], others), others, strict=True))
        places = {name: folder / spelled.get(name, name) for name in classes if name in exact or name in spelled}
        for name, place in places.items():
            if place.name != name:
                self.findings.add(CLASSES_RESPELLED, self._name(place))
        return places

    def _refuse_shared(
        self, places: Mapping[str, Path], by_class: Mapping[str, Mapping[str, int]], one_class_each: bool
    ) -> None:
        """Refuse a file in two splits or classes, by the file numbers from listing, which cost nothing extra."""
        for name, files in by_class.items():
            folder = places[name].parent
            for path, inode in files.items():
                before = self._met.met_before(path, inode)
                if before is None:
                    continue
                if not Path(before).is_relative_to(folder):
                    raise ReorderKitError(
                        f"data.root: {before} and {path} are links to the same file, in two splits",
                        "an image belongs to one split; remove a link",
                    )
                if one_class_each:
                    raise ReorderKitError(
                        f"data.root: {before} and {path} are links to the same file, in two classes",
                        "this source allows one class per image; remove a link, or use data.name=multi-label-folder",
                    )
                if Path(before).relative_to(folder).parts[1:] != Path(path).relative_to(places[name]).parts:
                    raise ReorderKitError(
                        f"data.root: {before} and {path} are links to the same file, under two names",
                        "an image must have the same name in the folders of all its classes; rename one of them",
                    )

    def _count_loose(self, folder: Path) -> None:
        """Count images outside the class folders."""
        loose = loose_images(folder)
        if loose:
            self.findings.add("images outside class folders are left out", self._name(folder / loose[0]), len(loose))
        for path in sorted(path for path in folder.iterdir() if is_junk(path.name)):
            self.findings.add(JUNK_FOUND, self._name(path))

    def _name(self, path: Path) -> str:
        return name_below(self.root, str(path))


def _refuse_pictures_and_masks(folder: Path, names: Sequence[str]) -> None:
    pictures, masks = list(filter(is_pictures, names)), list(filter(is_masks, names))
    if pictures and masks and 2 * len(pictures + masks) >= len(names):
        raise ReorderKitError(
            f"data.root: the folders of {folder} look like images and their masks, not like classes:"
            f" {', '.join(names[:_SHOWN])}",
            f"if {folder / pictures[0]} has one folder per class, give that as data.root",
        )


def _unknown_class(folder: Path, name: str, classes: Sequence[str]) -> ReorderKitError:
    alike = [known for known in classes if alike_form(known) == alike_form(name)]
    hint = f"the training images have {alike[0]!a}, here it is {name!a}; rename one of the folders" if alike else None
    return ReorderKitError(f"data.root: {folder} has the class {name!r}, which has no training images", hint)


def _refuse_inner_splits(folder: Path, files: Iterable[str]) -> None:
    """Refuse split folders inside a class folder, whose images would all be mixed and split at random."""
    below = {Path(path).relative_to(folder).parts[0] for path in _in_inner_folders(folder, files)}
    splits = {split_of(name): name for name in sorted(below) if split_of(name)}
    if len(splits) > 1:
        raise ReorderKitError(
            f"data.root: the class folder {folder} has folders of splits, {', '.join(splits.values())}",
            f"if it holds the whole data, give data.root={folder}; otherwise put splits above classes, as in"
            " train/CLASS and test/CLASS",
        )


def _in_inner_folders(folder: Path, files: Iterable[str]) -> list[str]:
    """The paths of the files that lie in folders inside the class folder."""
    length = len(str(folder))
    return [path for path in files if path.rfind(os.sep) != length]


def _in_sequence(folder: Path, files: Iterable[str]) -> list[str]:
    paths = list(files)
    # Files of one folder are already sorted.
    return sorted(paths, key=os.path.split) if _in_inner_folders(folder, paths) else paths


def require_every_class(files: Sequence[tuple[str, int]], classes: Sequence[str], folder: Path) -> None:
    """Check that every class with a folder has an image.

    Raises:
        ReorderKitError: naming the first class without an image.
    """
    filled = {target for _, target in files}
    for number, name in enumerate(classes):
        if number not in filled and (folder / name).is_dir():
            raise ReorderKitError(
                f"data.root: the class {name!r} has no image in {folder / name}", "add images or remove the folder"
            )
