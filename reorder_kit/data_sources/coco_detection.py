"""Images with boxes in COCO's format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
from reorder_kit.data.spellings import CLASSES_RESPELLED, spelled_as
from reorder_kit.data.split_folders import folders_in
from reorder_kit.data.split_names import SPLIT_NAMES, Split, split_of
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import BOXES, MULTI_LABEL, DataSource, DataSplits, PathFromRoot

# Names of a split's annotations: COCO's, plain ones, and those that Roboflow and FiftyOne export.
_LAYOUTS = (
    "annotations/instances_{}*.json",
    "annotations/{}.json",
    "instances_{}*.json",
    "{}.json",
    "{}/_annotations.coco.json",
    "{}/labels.json",
)
_FIFTYONE_IMAGES = "data"


class CocoDetection(AnnotatedSource):
    """Images with boxes, with one JSON file of annotations per split, in COCO's format.

    Files that the recipe does not give are found by name: ``annotations/instances_train2017.json``, ``train.json``,
    ``train/_annotations.coco.json`` (Roboflow), ``train/labels.json`` next to ``train/data`` (FiftyOne) and the like,
    with ``val``, ``valid``, ``validation`` or ``dev``, and ``test``, in any case. A missing validation split is set
    aside from train. If there is val but no test, as in COCO, val is the test split, and validation is set aside from
    train; if there is neither, both are set aside. Images are set aside by ``split_seed``, with shares as equal as
    possible across classes, where each image counts for its rarest class; no class loses its last training image.

    Images are searched in the folder given as ``images``; else in the folder ``images``, in the split's folder
    (``train2017``, ``train``), in ``data`` next to the annotations, next to them, and in ``root``. All images named in
    a file must exist.

    Classes are the categories of the training file, sorted by id; ids may have gaps. A category without objects that
    shares another's name is ignored. Other files may not have further categories; their ids are matched by name. An id
    is a whole number, also written as 7.0 or "7", or a string.

    Boxes are cut at the edges of the image. Boxes without width or height, annotations without a box, and annotations
    of unlisted images are left out and counted. An image whose size differs from its ``width`` and ``height`` is
    unreadable. Before training, boxes of up to 100 images of each file are compared with the image sizes, and refused
    if they look normalized, like left, top, right and bottom, or with x and y exchanged. A crowd is neither learned nor
    counted as missed; ``iscrowd`` is 0 or 1, or a word for these. For multi-label tasks, a class is present if it has a
    box, including crowds.

    Images are turned upright according to their EXIF orientation. An image's ``width`` and ``height`` tell whether its
    boxes were made on the stored pixels, and turn with the image, or on the upright ones. If both have the same size,
    or the file gives no size, the stored pixels are assumed, as in pycocotools and torchvision, and that is reported.

    Whole images are scaled into ``image_size`` with their proportions kept. Training images are also randomly flipped
    from left to right; transforms named in the recipe replace the flip.

    Source of the format: https://cocodataset.org/#format-data
    """

    name = "coco-detection"
    target_kinds = (BOXES, MULTI_LABEL)

    class Options(MultiLabelOptions):
        train: Path | None = Field(
            None, description="annotations for training, relative to root; default: found by name"
        )
        validation: Path | None = Field(
            None, description="annotations for validation, relative to root; default: found by name, if any"
        )
        test: Path | None = Field(
            None, description="annotations for the test, relative to root; default: found by name, if any"
        )
        images: PathFromRoot | None = Field(
            None, description="folder of the images, relative to root; default: found as described above"
        )

    options: Options

    def open(self, seed: int) -> DataSplits:
        """Read the annotations, check that the images exist, and split them."""
        options = self.options
        if not is_folder(options.root, "data.root"):
            raise ReorderKitError(f"data.root: the folder {options.root} does not exist")
        train_path = self._annotations("train")
        if train_path is None:
            known = ", ".join(layout.format("train") for layout in _LAYOUTS)
            raise ReorderKitError(
                f"data.root: {options.root} has no annotations for training; looked for {known}",
                "give the file as data.train, relative to data.root",
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
        """The recipe's field that leads to the annotations of a split."""
        return "data.root" if self._given(split) is None else f"data.{split}"

    def _annotations(self, split: Split) -> Path | None:
        """The file of a split; None if there is none."""
        root, given = self.options.root, self._given(split)
        if given is not None:
            return root / given
        # A file that the recipe gives to one split is not used for another.
        taken = {root / other for other in (self.options.train, self.options.validation, self.options.test) if other}
        found = sorted({path for path, named in _named_annotations(root) if named == split} - taken)
        if len(found) > 1:
            names = " and ".join(str(path.relative_to(root)) for path in found)
            raise ReorderKitError(
                f"data.root: {root} has several files for {split}, {names}", f"choose one with data.{split}"
            )
        return found[0] if found else None

    def _evaluated(
        self, path: Path, split: Split, train: CocoFile, listing: FolderListing, findings: Findings
    ) -> list[BoxedFile]:
        field = self._field(split)
        file = _spelled_as(train, read_coco(path, field, findings), findings)
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
        return [root / "images", *below, file.path.parent / _FIFTYONE_IMAGES, file.path.parent, root]


def _spelled_as(train: CocoFile, file: CocoFile, findings: Findings) -> CocoFile:
    """The categories, in the Unicode form used in the training file."""
    spelled = spelled_as(train.categories.values(), file.categories.values())
    changed = [name for name, before in zip(spelled, file.categories.values(), strict=True) if name != before]
    if not changed:
        return file
    findings.add(CLASSES_RESPELLED, f"{file.path}, {changed[0]}", len(changed))
    return replace(file, categories=dict(zip(file.categories, spelled, strict=True)))


def _named_annotations(root: Path) -> Iterator[tuple[Path, Split]]:
    """The annotation files named after a split, in any case."""
    folders = folders_in(root, "data.root")
    for name in folders:
        split = split_of(name)
        if split is None:
            continue
        names = ["_annotations.coco.json"]
        # So general a name only counts next to FiftyOne's folder of images.
        if (root / name / _FIFTYONE_IMAGES).is_dir():
            names.append("labels.json")
        for file in (root / name / each for each in names):
            if is_regular(file):
                yield file, split
    for place in (root, *(root / name for name in folders if name.casefold() == "annotations")):
        for path in place.iterdir():
            split = _split_of_stem(path.stem.casefold()) if path.suffix.lower() == ".json" else None
            if split is not None and is_regular(path):
                yield path, split


def _split_of_stem(stem: str) -> Split | None:
    """The split in a stem such as ``train`` or ``instances_train2017``."""
    rest = stem.removeprefix("instances_")
    if rest == stem:
        return split_of(stem)
    return next((split for split, names in SPLIT_NAMES.items() if rest.startswith(names)), None)


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [CocoDetection]
