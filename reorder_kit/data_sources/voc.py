"""Pascal VOC: images with boxes, with labels or with masks."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from pydantic import Field, field_validator

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.boxed_images import BoxedFile, open_boxed, refuse_shared
from reorder_kit.data.dealing import deal
from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data.mask_file import MaskedFile, ValueLegend
from reorder_kit.data.multi_label import MultiLabelOptions
from reorder_kit.data.samples import name_below
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import BOXES, IGNORED, MASK, MULTI_LABEL, DataSource, DataSplits

_log = logging.getLogger(__name__)

Names = Sequence[str]
_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_BACKGROUND = "background"
_ENDINGS = (".jpg", ".jpeg", ".png")


class Voc(AnnotatedSource):
    """Images in the layout of Pascal VOC: ``ImageSets``, ``JPEGImages``, ``Annotations``, ``SegmentationClass``.

    The lists of the splits are ``train``, ``val`` and ``test`` in ``ImageSets/Main``, for masks in
    ``ImageSets/Segmentation``; a recipe may name others, such as trainval, which holds val. Where the list of the test
    is missing, as in VOC2012, val is the test split. What is missing then is set aside from train by ``split_seed``; no
    class of boxes or labels loses its last training image by that.

    Boxes and labels come from the XML files, masks from the images of numbers beside them, where 0 is background and
    255, the rim of an object, is ignored. Boxes are cut at the edges of the image; boxes without width or height are
    left out.

    Images are turned upright by their EXIF orientation. Boxes were made on what ``size`` in the XML file says, masks on
    what their own size says: on the stored pixels, and are turned along, or on the upright ones. Where both have one
    size, or the file gives none, they are taken as made on the stored pixels, as the development kit and torchvision
    read them, and that is told.

    An image is scaled into ``image_size`` as a whole, with its proportions kept. Training images are also flipped from
    left to right by chance. Named transforms replace that.

    Source: Everingham et al., The Pascal Visual Object Classes (VOC) Challenge, IJCV 2010,
    http://host.robots.ox.ac.uk/pascal/VOC/
    """

    name = "voc"
    target_kinds = (BOXES, MULTI_LABEL, MASK)

    class Options(MultiLabelOptions):
        train: str = Field("train", description="name of the list of images for training")
        validation: str | None = Field(
            None,
            description="name of the list for validation; not given: val where there is a test and train is not "
            "trainval, else set aside",
        )
        test: str | None = Field(None, description="name of the list for the test; not given: test, else as described")
        classes: tuple[str, ...] = Field(
            _CLASSES,
            min_length=1,
            description="names of the classes, in the sequence of their numbers in masks, from 1",
        )
        difficult: Literal["ignore", "keep", "drop"] = Field(
            "ignore",
            description="objects marked as difficult: ignore (neither learned nor counted as missed, no label), keep "
            "(like all others), drop (as if they were not there)",
        )

        @field_validator("classes")
        @classmethod
        def _classes_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
            for number, name in enumerate(classes):
                if name in classes[:number]:
                    raise ValueError(f"{name!r} comes twice")
            return classes

    options: Options

    def open(self, seed: int) -> DataSplits:
        """Read the lists and the annotations, and look whether all files are there."""
        options = self.options
        files = _Files(_year_folder(options.root), "Segmentation" if self.target_kind == MASK else "Main")
        train, validation, test = self._lists(files)
        if self.target_kind == MASK:
            return self._open_masks(files, train, validation, test, seed)
        return open_boxed(
            options,
            self.target_kind,
            options.classes,
            self._boxed(files, train),
            None if validation is None else self._boxed(files, validation),
            None if test is None else self._boxed(files, test),
            seed,
            self.recorded,
            Findings(),
        )

    def _lists(self, files: _Files) -> tuple[Names, Names | None, Names | None]:
        options = self.options
        validation, test = options.validation, options.test
        # A list that the recipe gives to one split is none of another's.
        taken = (options.train, validation, test)
        if validation is None and "val" not in taken and options.train != "trainval" and files.has("val"):
            validation = "val"
        if test is None and "test" not in taken and files.has("test"):
            test = "test"
        if test is None and options.validation is None:
            validation, test = None, validation
        return (
            files.listed(options.train, "data.train"),
            None if validation is None else files.listed(validation, "data.validation"),
            None if test is None else files.listed(test, "data.test"),
        )

    def _boxed(self, files: _Files, names: Names) -> list[BoxedFile]:
        difficult = self.options.difficult
        is_dropped = difficult == "drop" or (difficult == "ignore" and self.target_kind == MULTI_LABEL)
        number_of = {name: number for number, name in enumerate(self.options.classes)}
        found = []
        decoding = self.options.decoding(self.options.channels)
        for name in names:
            annotated = files.annotated(name)
            objects = []
            for thing in annotated.objects:
                if thing.name not in number_of:
                    raise ReorderKitError(
                        f"data.classes: {files.annotation(name)} has an object {thing.name!r}, which is none of the"
                        f" {len(number_of)} classes",
                        "list all classes of the data there",
                    )
                if not (thing.is_difficult and is_dropped):
                    objects.append(thing)
            found.append(
                BoxedFile(
                    str(files.image(name)),
                    decoding,
                    tuple(thing.box for thing in objects),
                    tuple(number_of[thing.name] for thing in objects),
                    tuple(thing.is_difficult and difficult == "ignore" for thing in objects),
                    annotated.size,
                )
            )
        return found

    def _open_masks(
        self, files: _Files, train: Names, validation: Names | None, test: Names | None, seed: int
    ) -> DataSplits:
        options = self.options
        findings = Findings()
        train, validation, test = deal(
            self.recorded,
            (train, validation, test),
            lambda name: name_below(options.root, str(files.image(name))),
            findings,
            lambda: options.complete(train, validation, test, lambda _: (), seed),
        )
        refuse_shared(train, validation, test)
        classes = [_BACKGROUND, *options.classes]
        if len(classes) > IGNORED:
            raise ReorderKitError(f"data.classes: a mask has {IGNORED - 1} classes at the most beside the background")
        legend = ValueLegend(range(len(classes)), (IGNORED,))
        decoding = options.decoding(options.channels)
        train_files, validation_files, test_files = (
            [MaskedFile(str(files.image(name)), decoding, str(files.mask(name)), legend) for name in names]
            for names in (train, validation, test)
        )
        return options.splits(classes, train_files, validation_files, test_files, options.root, findings)


class _Object(NamedTuple):
    name: str
    box: tuple[float, float, float, float]
    is_difficult: bool


class _Annotated(NamedTuple):
    """What an XML file says.

    Args:
        size: height and width of the image, pixels; None if it does not say.
        objects: the objects.
    """

    size: tuple[int, int] | None
    objects: Sequence[_Object]


class _Files:
    """The files of one year.

    Args:
        folder: holds ImageSets.
        kind: the folder of lists in it.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._lists, self._listing = folder, folder / "ImageSets" / kind, FolderListing()

    def has(self, split: str) -> bool:
        """There is such a list."""
        return (self._lists / f"{split}.txt").is_file()

    def listed(self, split: str, field: str) -> Names:
        """The names of a list."""
        path = self._lists / f"{split}.txt"
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(sorted(file.stem for file in self._lists.glob("*.txt"))[:10]) or "none"
            raise ReorderKitError(
                f"{field}: the list {path} cannot be read: {error}", f"lists there: {known}"
            ) from error
        names = [line.split()[0] for line in lines if line.strip()]
        if not names:
            raise ReorderKitError(f"{field}: the list {path} is empty")
        return names

    def image(self, name: str) -> Path:
        """The image."""
        return self._existing("JPEGImages", name, _ENDINGS)

    def annotation(self, name: str) -> Path:
        """The XML file."""
        return self._existing("Annotations", name, (".xml",))

    def mask(self, name: str) -> Path:
        """The mask."""
        return self._existing("SegmentationClass", name, (".png",))

    def _existing(self, folder: str, name: str, endings: Sequence[str]) -> Path:
        paths = [self._folder / folder / f"{name}{ending}" for ending in endings]
        for path in paths:
            if self._listing.has(path):
                return path
        raise ReorderKitError(
            f"data.root: {self._lists} lists {name}, but there is no {paths[0]}",
            "copy the data again, or shorten the list",
        )

    def annotated(self, name: str) -> _Annotated:
        """What the XML file of an image says."""
        path = self.annotation(name)
        try:
            root = ElementTree.parse(path).getroot()
        except (OSError, ElementTree.ParseError) as error:
            raise ReorderKitError(f"data.root: {path} is no XML: {error}", "the file may be cut off") from error
        return _Annotated(_size(root), list(self._objects(root, path)))

    def _objects(self, root: ElementTree.Element, path: Path) -> Iterator[_Object]:
        for place, thing in enumerate(root.iterfind("object"), start=1):
            box = _box(thing)
            if box is None:
                raise ReorderKitError(f"data.root: {path}: object {place} has no bndbox of four numbers")
            if box[2] <= box[0] or box[3] <= box[1]:
                _log.warning("%s: object %d is left out, its box has no width or height", path, place)
                continue
            yield _Object(thing.findtext("name", "").strip(), box, thing.findtext("difficult", "0").strip() == "1")


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    height, width = (root.findtext(f"size/{side}", "").strip() for side in ("height", "width"))
    return (int(height), int(width)) if height.isdecimal() and width.isdecimal() else None


def _box(thing: ElementTree.Element) -> tuple[float, float, float, float] | None:
    """Edges counted from 0: VOC counts pixels from 1 and names the last one that belongs to the object."""
    texts = [thing.findtext(f"bndbox/{edge}", "") for edge in ("xmin", "ymin", "xmax", "ymax")]
    try:
        left, top, right, bottom = map(float, texts)
    except ValueError:
        return None
    return (left - 1, top - 1, right, bottom) if math.isfinite(left + top + right + bottom) else None


def _year_folder(root: Path) -> Path:
    if not root.is_dir():
        raise ReorderKitError(f"data.root: there is no folder {root}")
    patterns = ("ImageSets", "*/ImageSets", "VOCdevkit/*/ImageSets")
    found = sorted({lists.parent for pattern in patterns for lists in root.glob(pattern)})
    if not found:
        raise ReorderKitError(f"data.root: {root} has no folder ImageSets", "give a folder such as VOCdevkit/VOC2012")
    if len(found) > 1:
        names = " and ".join(str(folder.relative_to(root)) for folder in found)
        raise ReorderKitError(f"data.root: {root} has several years, {names}", "give the folder of one of them")
    return found[0]


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [Voc]
