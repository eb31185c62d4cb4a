"""Pascal VOC: images with boxes, with labels or with masks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.boxed_images import BoxedFile, open_boxed, refuse_shared
from reorder_kit.data.dealing import deal
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data.image_walk import is_junk
from reorder_kit.data.mask_file import MaskedFile, ValueLegend
from reorder_kit.data.mask_look import look_at_masks
from reorder_kit.data.multi_label import MultiLabelOptions
from reorder_kit.data.real_files import is_folder
from reorder_kit.data.voc_files import Names, VocFiles
from reorder_kit.data.voc_xml import read_annotation
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import BOXES, IGNORED, MASK, MULTI_LABEL, DataSource, DataSplits

_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_BACKGROUND = "background"


class Voc(AnnotatedSource):
    """Images in the layout of Pascal VOC: ``ImageSets``, ``JPEGImages``, ``Annotations``, ``SegmentationClass``.

    The lists of the splits are ``train``, ``val`` and ``test`` (or ``training``, ``valid``, ``validation``, ``dev``,
    ``testing``, in any letter case) in ``ImageSets/Main``, for masks in ``ImageSets/Segmentation``; a recipe may name
    others, such as trainval, which holds val. Where the list of the test is missing, as in VOC2012, val is the test
    split. What is missing then is set aside from train by ``split_seed``; no class of boxes or labels loses its last
    training image by that.

    A line of a list is the name of an image, with or without quotes and file ending; names may have spaces, and the
    marks of a class (-1, 0, 1) may follow. Endings of files may have capital letters.

    Boxes and labels come from the XML files, masks from the images of numbers beside them, where 0 is background and
    255, the rim of an object, is ignored. Boxes are cut at the edges of the image; boxes without width or height are
    left out. What is lost by that is counted. An image of another size than its ``size`` is unreadable. Boxes of up to
    100 images of each list are compared with these before training, and refused if they look normalized, like left,
    top, width and height, or with x and y exchanged. ``difficult`` is 0 or 1, or a word for these. Up to 200 training
    masks are looked at before training: classes that do not occur in them are named, and masks that hold nothing but
    background are refused.

    Images are turned upright by their EXIF orientation. Boxes were made on what ``size`` in the XML file says, masks on
    what their own size says: on the stored pixels, and are turned along, or on the upright ones. Where both have one
    size, or the file gives none, they are taken as made on the stored pixels, as the development kit and torchvision
    read them, and that is reported.

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
        findings = Findings()
        lists = "Segmentation" if self.target_kind == MASK else "Main"
        files = VocFiles(_year_folder(options.root), lists, FolderListing(options.root, findings), findings)
        train, validation, test = self._lists(files)
        if self.target_kind == MASK:
            return self._open_masks(files, train, validation, test, seed, findings)
        return open_boxed(
            options,
            self.target_kind,
            options.classes,
            self._boxed(files, train, findings),
            None if validation is None else self._boxed(files, validation, findings),
            None if test is None else self._boxed(files, test, findings),
            seed,
            self.recorded,
            findings,
            "xyxy",
        )

    def _lists(self, files: VocFiles) -> tuple[Names, Names | None, Names | None]:
        options = self.options
        validation, test = options.validation, options.test
        named = files.splits({"train": options.train, "validation": validation, "test": test})
        train = named.get("train", options.train) if options.train == "train" else options.train
        # A list that the recipe gives to one split is none of another's.
        free = {split: name for split, name in named.items() if name not in (train, validation, test)}
        if validation is None and options.train != "trainval":
            validation = free.get("validation")
        if test is None:
            test = free.get("test")
        if test is None and options.validation is None:
            validation, test = None, validation
        return (
            files.listed(train, "data.train"),
            None if validation is None else files.listed(validation, "data.validation"),
            None if test is None else files.listed(test, "data.test"),
        )

    def _boxed(self, files: VocFiles, names: Names, findings: Findings) -> list[BoxedFile]:
        difficult = self.options.difficult
        is_dropped = difficult == "drop" or (difficult == "ignore" and self.target_kind == MULTI_LABEL)
        number_of = {name: number for number, name in enumerate(self.options.classes)}
        found = []
        decoding = self.options.decoding(self.options.channels)
        for name in names:
            annotation = read_annotation(files.annotation(name), findings)
            objects = []
            for thing in annotation.objects:
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
                    annotation.size,
                    tuple(annotation.flat),
                )
            )
        return found

    def _open_masks(
        self,
        files: VocFiles,
        train: Names,
        validation: Names | None,
        test: Names | None,
        seed: int,
        findings: Findings,
    ) -> DataSplits:
        options = self.options
        refuse_shared(train, validation or (), test or ())
        train, validation, test = deal(
            self.recorded,
            (train, validation, test),
            lambda name: FileIdentity(options.root, str(files.image(name))),
            findings,
            lambda kept: options.complete(kept, validation, test, lambda _: (), seed),
        )
        classes = [_BACKGROUND, *options.classes]
        if len(classes) > IGNORED:
            raise ReorderKitError(f"data.classes: a mask has {IGNORED - 1} classes at the most beside the background")
        legend = ValueLegend(range(len(classes)), (IGNORED,))
        decoding = options.decoding(options.channels)
        train_files, validation_files, test_files = (
            [MaskedFile(str(files.image(name)), decoding, str(files.mask(name)), legend) for name in names]
            for names in (train, validation, test)
        )
        look_at_masks(train_files, classes, legend, None, findings)
        return options.splits(classes, train_files, validation_files, test_files, options.root, findings)


def _year_folder(root: Path) -> Path:
    if not is_folder(root, "data.root"):
        raise ReorderKitError(f"data.root: there is no folder {root}")
    patterns = ("ImageSets", "*/ImageSets", "VOCdevkit/*/ImageSets")
    found = sorted(
        lists.parent
        for pattern in patterns
        for lists in root.glob(pattern)
        if not any(map(is_junk, lists.relative_to(root).parts))
    )
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
