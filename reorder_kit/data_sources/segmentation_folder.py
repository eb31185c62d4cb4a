"""A folder of images and a folder of their masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from reorder_kit.data.annotated import AnnotatedOptions, AnnotatedSource
from reorder_kit.data.dealing import deal
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_options import HomePath
from reorder_kit.data.mask_file import LARGEST_VALUE, InstanceLegend, Legend, MaskedFile, ValueLegend
from reorder_kit.data.mask_folders import find_pairs, match_names, names_below, read_class_table, read_index
from reorder_kit.data.mask_look import look_at_masks
from reorder_kit.data.real_files import is_folder
from reorder_kit.data.split_folders import find_split_folders, folders_by_split
from reorder_kit.data.split_names import split_of
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import IGNORED, MASK, DataSource, DataSplits
from reorder_kit.interfaces.numbers import Whole

Files = list[MaskedFile]
PixelValue = Annotated[Whole, Field(ge=0, le=LARGEST_VALUE)]


class SegmentationFolder(AnnotatedSource):
    """Images in one folder and their masks in another; an image and its mask have the same name, except the extension.

    A mask has one channel of 1, 8 or 16 bits; with a palette, the indices are used, not the colors. The meaning of its
    values is given by ``classes``, with ``values`` if these are not 0, 1, 2, ...; by ``class_table``; or by
    ``instance_maps``.

    A 1-bit mask has 0 and 1; if 255 is a class and 1 is not, 1 is read as 255, because some programs save it so.

    Images are turned upright according to their EXIF orientation. A mask with the size of the stored pixels is turned
    along; a mask with its own orientation is turned by that. If the stored and the upright image have the same size, a
    mask is assumed to be made on the stored pixels, as in torchvision, and that is reported.

    Splits come from ``index``, or from folders ``train``, ``val`` and ``test`` in both folders, which may also be
    called ``training``, ``valid``, ``validation``, ``dev`` or ``testing``, in any case; otherwise all images are for
    training. A missing validation split is set aside from train. If there is val but no test, val is the test split,
    and validation is set aside from train; if there is neither, both are set aside, test first. Images are set aside by
    ``split_seed``.

    Up to 200 training masks, and some of the other splits, are checked before training: classes that do not occur in
    the training masks are reported, a split whose masks hold only the first class is refused, and masks that seem to
    use different values than the rest are reported.

    Masks of COCO's panoptic categories (Kirillov et al., CVPR 2019, https://arxiv.org/abs/1801.00868), in which 0 is
    unlabeled, are read with ``class_table: semantic_classes.csv``, ``ignored_values: [0]``, ``masks: semantic`` and
    ``unmasked_images: skip``.
    """

    name = "segmentation-folder"
    target_kinds = (MASK,)

    class Options(AnnotatedOptions):
        root: HomePath = Field(description="the folder that holds both; ~ is the home folder")
        images: str = Field("images", description="the folder of images, below root")
        masks: str = Field("masks", description="the folder of masks, below root")
        unmasked_images: Literal["refuse", "skip"] = Field(
            "refuse", description="what to do about images without a mask: refuse the data, or leave them out"
        )
        index: str | None = Field(
            None,
            description="CSV file below root with the columns name (a path below images) and split (train, val or "
            "test); images that it does not list are left out",
        )
        classes: tuple[str, ...] | None = Field(
            None, description="names of the classes, in the sequence of their values; for instance_maps two names"
        )
        values: tuple[PixelValue, ...] | None = Field(
            None, description="pixel value of each class; default: 0, 1, 2, ..."
        )
        class_table: str | None = Field(
            None,
            description="instead of classes: CSV file below root with the columns id (the pixel value) and name; "
            "ignored ids are not classes",
        )
        ignored_values: tuple[PixelValue, ...] | None = Field(
            None, description="pixel values that are ignored; default: 255, unless it is a class"
        )
        instance_maps: bool = Field(
            False, description="masks number their objects from 1, with 0 for background: two classes"
        )

        def unused(self) -> dict[str, str]:
            """Options that repeat the meaning of another one."""
            if self.instance_maps:
                reason = "with instance_maps, 0 is background and every other value is an object"
                return super().unused() | dict.fromkeys(("values", "class_table", "ignored_values"), reason)
            return super().unused() | ({"values": "it needs classes"} if self.classes is None else {})

        @model_validator(mode="after")
        def _classes_are_said_once(self) -> SegmentationFolder.Options:
            if self.instance_maps:
                if self.classes is not None and len(self.classes) != 2:
                    raise ValueError("with instance_maps, classes must be two names: background and object")
            elif (self.classes is None) == (self.class_table is None):
                raise ValueError("give one of classes, class_table and instance_maps to define the meaning of masks")
            if self.classes is not None:
                _check_names(self.classes)
            return self

        @model_validator(mode="after")
        def _values_are_those_of_the_classes(self) -> SegmentationFolder.Options:
            if self.classes is None or self.values is None:
                return self
            if len(self.values) != len(self.classes):
                raise ValueError(f"there are {len(self.values)} values for {len(self.classes)} classes")
            if len(set(self.values)) < len(self.values):
                raise ValueError("two classes have the same value")
            return self

        @model_validator(mode="after")
        def _no_class_is_ignored(self) -> SegmentationFolder.Options:
            values = self.values or range(len(self.classes or ()))
            both = sorted(set(values) & set(self.ignored_values or ()))
            if both:
                raise ValueError(f"the value {both[0]} is both a class and ignored")
            return self

    options: Options

    def open(self, seed: int) -> DataSplits:
        """List the files, split them, and read the first image in the training folder with its mask."""
        options = self.options
        if not is_folder(options.root, "data.root"):
            raise ReorderKitError(f"data.root: the folder {options.root} does not exist")
        classes, legend = self._classes()
        findings = Findings()
        train, validation, test = self._listed(legend, findings)
        set_aside = [name for name, files in (("validation", validation), ("test", test)) if files is None]
        dealt = deal(
            self.recorded,
            (train, validation, test),
            lambda file: file.identity(options.root),
            findings,
            lambda kept: options.complete(kept, validation, test, lambda _: (), seed),
        )
        look_at_masks(dealt, set_aside, classes, legend, "data.values", findings)
        return options.splits(classes, *dealt, options.root, findings)

    def _classes(self) -> tuple[Sequence[str], Legend]:
        options = self.options
        if options.instance_maps:
            return options.classes or ("background", "object"), InstanceLegend()
        if options.class_table is not None:
            file = options.root / options.class_table
            table = read_class_table(file, options.ignored_values or ())
            try:
                _check_names(list(table.values()))
            except ValueError as error:
                raise ReorderKitError(f"data.class_table: {file}: {error}") from None
            names, values = tuple(table.values()), tuple(table)
        else:
            names = options.classes or ()
            values = options.values or tuple(range(len(names)))
        ignored = options.ignored_values
        return names, ValueLegend(values, tuple({IGNORED}.difference(values)) if ignored is None else ignored)

    def _listed(self, legend: Legend, findings: Findings) -> tuple[Files, Files | None, Files | None]:
        """The files of each split; None for a split that is set aside from train."""
        if self.options.index is not None:
            return self._indexed(legend, self.options.root / self.options.index, findings)
        return self._in_folders(legend, findings)

    def _indexed(self, legend: Legend, index: Path, findings: Findings) -> tuple[Files, Files | None, Files | None]:
        options = self.options
        images = options.root / options.images
        pairs = self._pairs(images, options.root / options.masks, legend, findings)
        splits = names_below(images, options.images, read_index(index), pairs, findings)
        image_of = match_names(splits, pairs, "data.index", findings)
        missing = [name for name in splits if name not in image_of]
        if missing and options.unmasked_images == "refuse":
            raise ReorderKitError(
                f"data.index: {index} lists {missing[0]!r}, which is not an image in {images}",
                "give names as paths relative to data.images, with or without an extension",
            )
        if missing:
            findings.add("lines of the index without an image and mask are left out", missing[0], len(missing))
        unlisted = sorted(set(pairs) - set(image_of.values()))
        if unlisted:
            findings.add("images that are not in the index are left out", unlisted[0], len(unlisted))
        train, validation, test = (
            [pairs[image_of[name]] for name, given in splits.items() if given == split and name in image_of] or None
            for split in ("train", "validation", "test")
        )
        if train is None:
            raise ReorderKitError(f"data.index: {index} has no image with the split train")
        return (train, None, validation) if test is None else (train, validation, test)

    def _in_folders(self, legend: Legend, findings: Findings) -> tuple[Files, Files | None, Files | None]:
        images, masks = (self.options.root / folder for folder in (self.options.images, self.options.masks))
        folders = find_split_folders(images, findings, "data.images")
        masks_of = folders_by_split(masks, "data.masks")

        def in_folder(folder: Path | None) -> Files | None:
            if folder is None:
                return None
            split = None if folder == images else split_of(folder.name)
            of_split = masks if split is None else masks_of.get(split, masks / folder.name)
            return list(self._pairs(folder, of_split, legend, findings).values())

        train, validation, test = map(in_folder, folders)
        return train or [], validation, test

    def _pairs(self, images: Path, masks: Path, legend: Legend, findings: Findings) -> dict[str, MaskedFile]:
        options = self.options
        pairs = find_pairs(options.root, images, masks, options.unmasked_images == "skip", findings)
        decoding = options.decoding(options.channels)
        return {name: MaskedFile(str(image), decoding, str(mask), legend) for name, (image, mask) in pairs.items()}


def _check_names(names: Sequence[str]) -> None:
    """Check the names of the classes.

    Raises:
        ValueError: if there are too few or too many, or one is repeated.
    """
    if not 2 <= len(names) <= IGNORED:
        raise ValueError(f"there must be 2 to {IGNORED} classes, not {len(names)}")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ValueError(f"two classes are named {repeated[0]!r}")


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [SegmentationFolder]
