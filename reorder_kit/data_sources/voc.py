"""Pascal VOC: images with boxes, with labels or with masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from reorder_kit.data.spellings import CLASSES_RESPELLED, spelled_as
from reorder_kit.data.voc_files import Names, VocFiles
from reorder_kit.data.voc_xml import VocObject, read_annotation
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import BOXES, IGNORED, MASK, MULTI_LABEL, DataSource, DataSplits

_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_BACKGROUND = "background"


class Voc(AnnotatedSource):
    """Images in Pascal VOC's layout: ``ImageSets``, ``JPEGImages``, ``Annotations``, ``SegmentationClass``.

    The lists of the splits are ``train``, ``val`` and ``test`` (or ``training``, ``valid``, ``validation``, ``dev``,
    ``testing``, in any case) in ``ImageSets/Main``, or for masks in ``ImageSets/Segmentation``; a recipe may name
    others, such as trainval, which includes val. If there is no test list, as in VOC2012, val is the test split. Other
    missing splits are set aside from train by ``split_seed``; no class of boxes or labels loses its last training
    image.

    A line of a list is the name of an image, with or without quotes and extension; names may contain spaces, and a
    class's mark (-1, 0, 1) may follow. A line may also be the path of the image in ``JPEGImages``, alone or with the
    path of its annotation or mask. The case of extensions does not matter.

    Boxes and labels come from the XML files, and masks from the segmentation images, in which 0 is background and 255,
    the border of objects, is ignored. Boxes are cut at the edges of the image; boxes without width or height are left
    out. Both are counted. An image whose size differs from ``size`` is unreadable. Before training, boxes of up to 100
    images of each list are compared with the image sizes, and refused if they look normalized, like left, top, width
    and height, or with x and y exchanged. ``difficult`` is 0 or 1, or a word for these. Up to 200 training masks, and
    some of the other splits, are also checked: classes that do not occur in the training masks are reported, and a
    split whose masks hold only background is refused.

    Images are turned upright according to their EXIF orientation. ``size`` in the XML file tells whether boxes were
    made on the stored pixels, and turn with the image, or on the upright ones; a mask's own size tells it for the mask.
    If both sizes are equal, or the file gives none, the stored pixels are assumed, as in the development kit and
    torchvision, and that is reported.

    Whole images are scaled into ``image_size`` with their proportions kept. Training images are also randomly flipped
    from left to right; transforms named in the recipe replace the flip.

    Source: Everingham et al., The Pascal Visual Object Classes (VOC) Challenge, IJCV 2010,
    http://host.robots.ox.ac.uk/pascal/VOC/
    """

    name = "voc"
    target_kinds = (BOXES, MULTI_LABEL, MASK)

    class Options(MultiLabelOptions):
        train: str = Field("train", description="name of the list of images for training")
        validation: str | None = Field(
            None,
            description="name of the list for validation; default: val if there is a test list and train is not "
            "trainval, else set aside from train",
        )
        test: str | None = Field(None, description="name of the list for the test; default: test, else as described")
        classes: tuple[str, ...] = Field(
            _CLASSES,
            min_length=1,
            description="names of the classes, in the sequence of their numbers in masks, starting at 1",
        )
        difficult: Literal["ignore", "keep", "drop"] = Field(
            "ignore",
            description="objects marked as difficult: ignore (neither learned nor counted as missed, no label), keep "
            "(like all others), drop (as if they did not exist)",
        )

        @field_validator("classes")
        @classmethod
        def _classes_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
            for number, name in enumerate(classes):
                if name in classes[:number]:
                    raise ValueError(f"{name!r} appears twice")
            return classes

    options: Options

    def open(self, seed: int) -> DataSplits:
        """Read the lists and the annotations, and check that all files exist."""
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
        # A list that the recipe gives to one split is not used for another.
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
            for thing in _spelled_as(self.options.classes, annotation.objects, files.annotation(name), findings):
                if thing.name not in number_of:
                    raise ReorderKitError(
                        f"data.classes: {files.annotation(name)} has an object {thing.name!r}, which is not one of the"
                        f" {len(number_of)} classes",
                        "list all classes of the data in data.classes",
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
        set_aside = [name for name, names in (("validation", validation), ("test", test)) if names is None]
        train, validation, test = deal(
            self.recorded,
            (train, validation, test),
            lambda name: FileIdentity(options.root, str(files.image(name))),
            findings,
            lambda kept: options.complete(kept, validation, test, lambda _: (), seed),
        )
        classes = [_BACKGROUND, *options.classes]
        if len(classes) > IGNORED:
            raise ReorderKitError(f"data.classes: a mask can have at most {IGNORED - 1} classes besides background")
        legend = ValueLegend(range(len(classes)), (IGNORED,))
        decoding = options.decoding(options.channels)
        train_files, validation_files, test_files = (
            [MaskedFile(str(files.image(name)), decoding, str(files.mask(name)), legend) for name in names]
            for names in (train, validation, test)
        )
        look_at_masks((train_files, validation_files, test_files), set_aside, classes, legend, None, findings)
        return options.splits(classes, train_files, validation_files, test_files, options.root, findings)


def _spelled_as(
    classes: Sequence[str], objects: Sequence[VocObject], path: Path, findings: Findings
) -> Iterator[VocObject]:
    """The objects, with names in the Unicode form used in the recipe."""
    names = spelled_as(classes, [thing.name for thing in objects])
    for name, thing in zip(names, objects, strict=True):
        if name != thing.name:
            findings.add(CLASSES_RESPELLED, f"{path}, {name}")
        yield thing._replace(name=name)


def _year_folder(root: Path) -> Path:
    if not is_folder(root, "data.root"):
        raise ReorderKitError(f"data.root: the folder {root} does not exist")
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
