"""Images with boxes in COCO's format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.boxed_images import BoxedFile, open_boxed
from reorder_kit.data.class_findings import MAPPED
from reorder_kit.data.coco_json import CocoFile, find_images, read_coco
from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data.multi_label import MultiLabelOptions
from reorder_kit.data.real_files import is_folder, is_regular
from reorder_kit.data.split_folders import folders_in
from reorder_kit.data.split_names import SPLIT_NAMES, Split, split_of
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import BOXES, MULTI_LABEL, DataSource, DataSplits, PathFromRoot

# How the annotations of a split are called: as COCO does, plainly, and as Roboflow exports them.
_LAYOUTS = (
    "annotations/instances_{}*.json",
    "annotations/{}.json",
    "instances_{}*.json",
    "{}.json",
    "{}/_annotations.coco.json",
)


class CocoDetection(AnnotatedSource):
    """Images with boxes, one JSON file of annotations for each split, in COCO's format.

    The files are found by their names where the recipe does not give them: ``annotations/instances_train2017.json``,
    ``train.json`` and the like, with ``val``, ``valid``, ``validation`` or ``dev``, and ``test``, in any letter case. A
    missing validation split is set aside from train. Where there is val but no test, as COCO is laid out, val is the
    test split, and validation is set aside from train; where there is neither, both are. What is set aside is drawn by
    ``split_seed``, as nearly the same share of each image's rarest class as can be; no class loses its last training
    image by that.

    Images are looked for in ``images``, else in the folder ``images``, in that of the split (``train2017``, ``train``),
    beside the annotations, and in ``root``. All that a file names have to be there.

    Classes are the categories of the training file, sorted by id; ids may have gaps. A category without any object that
    has another's name is none. Another file has no others; its ids are read by their names. An id is a whole number,
    also as 7.0 or "7", or a text.

    Boxes are cut at the edges of the image; boxes without width or height are left out. What is lost by that is
    counted. An image of another size than its ``width`` and ``height`` is unreadable. Boxes of up to 100 images of each
    file are compared with these before training, and refused if they look normalized, like left, top, right and bottom,
    or with x and y exchanged. A crowd is neither learned nor counted as missed; ``iscrowd`` is 0 or 1, or a word for
    these. For multi-label tasks, a class is present where it has a box, crowds included.

    Images are turned upright by their EXIF orientation. Boxes were made on what the ``width`` and ``height`` of the
    image say: on the stored pixels, and are turned along, or on the upright ones. Where both have one size, or the file
    gives none, they are taken as made on the stored pixels, as pycocotools and torchvision do, and that is reported.

    An image is scaled into ``image_size`` as a whole, with its proportions kept. Training images are also flipped from
    left to right by chance. Named transforms replace that.

    Source of the format: https://cocodataset.org/#format-data
    """

    name = "coco-detection"
    target_kinds = (BOXES, MULTI_LABEL)

    class Options(MultiLabelOptions):
        train: Path | None = Field(
            None, description="annotations for training, relative to root; not given: found by its name"
        )
        validation: Path | None = Field(
            None, description="annotations for validation, relative to root; not given: found by its name, if there"
        )
        test: Path | None = Field(
            None, description="annotations for the test, relative to root; not given: found by its name, if there"
        )
        images: PathFromRoot | None = Field(
            None, description="folder of the images, relative to root; not given: found as described"
        )

    options: Options

    def open(self, seed: int) -> DataSplits:
        """Read the annotations, look whether the images are there, and split them."""
        options = self.options
        if not is_folder(options.root, "data.root"):
            raise ReorderKitError(f"data.root: there is no folder {options.root}")
        train_path = self._annotations("train")
        if train_path is None:
            known = ", ".join(layout.format("train") for layout in _LAYOUTS)
            raise ReorderKitError(
                f"data.root: {options.root} has no annotations for training; looked for {known}",
                "say with data.train which file it is, relative to data.root",
            )
        findings = Findings()
        listing = FolderListing(options.root, findings)
        train = read_coco(train_path, self._field("train"), findings)
        validation, test = self._annotations("validation"), self._annotations("test")
        tested: Split = "test"
        if test is None and options.validation is None:
            validation, test, tested = None, validation, "validation"
        return open_boxed(
            options,
            self.target_kind,
            list(train.categories.values()),
            self._files(train, "train", train, listing),
            None if validation is None else self._evaluated(validation, "validation", train, listing, findings),
            None if test is None else self._evaluated(test, tested, train, listing, findings),
            seed,
            self.recorded,
            findings,
            "xywh",
        )

    def _given(self, split: Split) -> Path | None:
        options = self.options
        return {"train": options.train, "validation": options.validation, "test": options.test}[split]

    def _field(self, split: Split) -> str:
        """The field of the recipe that led to the annotations of a split."""
        return "data.root" if self._given(split) is None else f"data.{split}"

    def _annotations(self, split: Split) -> Path | None:
        """The file of a split; None if there is none."""
        root, given = self.options.root, self._given(split)
        if given is not None:
            return root / given
        # A file that the recipe gives to one split is none of another's.
        taken = {root / other for other in (self.options.train, self.options.validation, self.options.test) if other}
        found = sorted({path for path, named in _named_annotations(root) if named == split} - taken)
        if len(found) > 1:
            names = " and ".join(str(path.relative_to(root)) for path in found)
            raise ReorderKitError(
                f"data.root: {root} has several files for {split}, {names}", f"choose by data.{split}"
            )
        return found[0] if found else None

    def _evaluated(
        self, path: Path, split: Split, train: CocoFile, listing: FolderListing, findings: Findings
    ) -> list[BoxedFile]:
        field = self._field(split)
        file = read_coco(path, field, findings)
        for number, name in file.categories.items():
            if name not in train.categories.values():
                known = f"has {train.categories[number]!r}" if number in train.categories else "lacks it"
                raise ReorderKitError(f"{field}: {path} has the category {number}, {name!r}; {train.path} {known}")
        if any(train.categories.get(number) != name for number, name in file.categories.items()):
            findings.add(MAPPED, str(path), len(file.images))
        return self._files(file, split, train, listing)

    def _files(self, file: CocoFile, split: Split, train: CocoFile, listing: FolderListing) -> list[BoxedFile]:
        named = {name: number for number, name in enumerate(train.categories.values())}
        number_of = {category: named[name] for category, name in file.categories.items()}
        decoding = self.options.decoding(self.options.channels)
        paths = find_images(file, self._image_folders(file, split), self._field(split), listing)
        return [
            BoxedFile(
                str(path),
                decoding,
                tuple(image.boxes),
                tuple(number_of[category] for category in image.categories),
                tuple(image.crowd),
                image.size,
                tuple(image.flat),
            )
            for path, image in zip(paths, file.images, strict=True)
        ]

    def _image_folders(self, file: CocoFile, split: Split) -> list[Path]:
        root = self.options.root
        if self.options.images is not None:
            return [root / self.options.images]
        of_file = file.path.stem.removeprefix("instances_")
        below = []
        for base in (root, root / "images"):
            names = folders_in(base, "data.root")
            below += [base / name for name in (of_file, *names) if name == of_file or split_of(name) == split]
        return [root / "images", *below, file.path.parent, root]


def _named_annotations(root: Path) -> Iterator[tuple[Path, Split]]:
    """The files of annotations that have the name of a split, in any letter case."""
    folders = folders_in(root, "data.root")
    for name in folders:
        split, file = split_of(name), root / name / "_annotations.coco.json"
        if split is not None and is_regular(file):
            yield file, split
    for place in (root, *(root / name for name in folders if name.casefold() == "annotations")):
        for path in place.iterdir():
            split = _split_of_stem(path.stem.casefold()) if path.suffix.lower() == ".json" else None
            if split is not None and is_regular(path):
                yield path, split


def _split_of_stem(stem: str) -> Split | None:
    """Of ``train``, or of ``instances_train2017``."""
    rest = stem.removeprefix("instances_")
    if rest == stem:
        return split_of(stem)
    return next((split for split, names in SPLIT_NAMES.items() if rest.startswith(names)), None)


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [CocoDetection]
