"""Functional Map of the World: satellite images of places, classified by the use of the place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jaxtyping import UInt8
from pydantic import Field
from torch import Tensor

from reorder_kit.data.class_findings import tell_of_absent
from reorder_kit.data.class_folders import ClassFolders, require_every_class
from reorder_kit.data.dealing import began_with, deal
from reorder_kit.data.decoding import Decoding
from reorder_kit.data.exif_orientation import Turn
from reorder_kit.data.file_identity import FileIdentity, name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import Picture, first_readable, read_image
from reorder_kit.data.image_options import HomePath, ImageOptions
from reorder_kit.data.json_text import parse_json
from reorder_kit.data.samples import ImagesInFiles, Transform
from reorder_kit.data.scale_options import ScaleOptions
from reorder_kit.data.set_aside import SplitSource
from reorder_kit.data.split_folders import require_train_and_val
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape, PixelScale, Preparation
from reorder_kit.interfaces.numbers import Count, Size

# The context added to a side of a box, as a share of it, by the share of the image that it covers (first match).
CONTEXT = ((0.5, 0.15), (0.4, 0.2), (0.3, 0.3), (0.2, 0.5), (0.1, 1.0), (0.0, 2.0))

_BANDS = ("_rgb.jpg", "_msrgb.jpg")
Files = list[tuple[str, int]]

_WHOLE = (
    "The run was trained on images cropped to an object and its surroundings (data.crop: box), but whole images are "
    "read here. Crop them in the same way first."
)

_FARTHEST = 2**31
"""The largest plausible coordinate of a box, in pixels."""


class Fmow(SplitSource):
    """Functional Map of the World (fMoW-rgb): satellite images of 62 kinds of places, or a part of them.

    Read from ``root/train/CLASS/CLASS_N/CLASS_N_T_rgb.jpg`` and ``root/val/...``: N is a place, and T is one of several
    times at which it was photographed. The test split is ``val``; other folders, such as ``test`` and ``seq``, are
    ignored. Validation is set aside from train by ``split_seed``, with the same share of every class; all images of a
    place stay together, because they resemble one another. Classes are the folders of both: a class without training
    images, possibly ``false_detection``, counts in the metrics, although no model can find it.

    By default, an image is cropped to its object, given in the JSON file next to it (the entry in ``bounding_boxes``
    with the folder's class), with context around it: little if the object fills most of the image, twice its size if it
    is tiny, as in the data set's baseline. An image is unreadable if its JSON file is missing or has no such box, or if
    it has more pixels than ``most_pixels``. The crop goes through the same transforms as in ``image-folder``. An image
    is turned upright according to its EXIF orientation, together with its box, which is on the stored pixels unless
    ``img_height`` and ``img_width`` in the JSON file match the upright image.

    Source: G. Christie et al., Functional Map of the World, CVPR 2018, https://arxiv.org/abs/1711.07846; data and
    license: https://github.com/fMoW/dataset; context: https://github.com/fMoW/baseline
    """

    name = "fmow"
    target_kinds = (CLASS,)

    class Options(ImageOptions, ScaleOptions):
        root: HomePath = Field(description="the folder that holds train and val; ~ is the home folder")
        image_size: Size | tuple[Size, Size] = Field(224, description="side of the square, or [height, width], pixels")
        most_pixels: Count = Field(
            2**28,
            description="images with more pixels are not decoded and count as unreadable; the default takes up to 2 GB "
            "in every process that loads images",
        )
        bands: Literal["rgb", "msrgb"] = Field(
            "rgb", description="which images: rgb is sharpened and large, msrgb is made from the multispectral bands"
        )
        crop: Literal["box", "image"] = Field(
            "box", description="box: crop to the object and its surroundings; image: the whole image"
        )

        def unused(self) -> dict[str, str]:
            """Reduced decoding with boxes, which are in pixels of the full-size image."""
            whole = {"draft_decoding": "crop: box needs the full-size image"}
            return super().unused() | (whole if self.crop == "box" else {})

    options: Options

    @property
    def image(self) -> ImageShape | None:
        """The given size."""
        return self.options.given_shape(channels=3)

    @property
    def pixel_scale(self) -> PixelScale:
        """The given one, or ImageNet's."""
        return self.options.scale

    def preparation(self, image: ImageShape) -> Preparation:
        """As for test images, but with the whole image: no JSON file locates the object."""
        decoding = Decoding(channels=3, most_pixels=self.options.most_pixels)
        notes = (_WHOLE,) if self.options.crop == "box" else ()
        return self.options.preparation(image, decoding, *self.options.scale, notes)

    def open(self, seed: int) -> DataSplits:
        """List the files and set the validation places aside."""
        root = self.options.root
        findings = Findings()
        train_folder, val_folder = require_train_and_val(root, "https://github.com/fMoW/dataset says how to get it")
        of_classes = ClassFolders(root, findings, companions=(".json",), are_nested=True)
        classes = _all_classes(of_classes.training_classes(train_folder), of_classes.classes(val_folder), findings)
        listed = self._find(train_folder, classes, of_classes)
        require_every_class(listed, classes, train_folder)
        of_test = self._find(val_folder, classes, of_classes)
        train, validation, test = deal(
            self.recorded,
            (listed, None, of_test),
            lambda file: FileIdentity(root, file[0]),
            findings,
            lambda kept: (*self._take_places(kept, seed), of_test),
        )
        decoding = self.options.drafted(Decoding(channels=3, most_pixels=self.options.most_pixels))
        shown = began_with(self.recorded, listed, lambda file: FileIdentity(root, file[0]))
        example = first_readable(len(shown), lambda number: read_image(shown[number][0], decoding)).pixels
        train_pipeline, eval_pipeline = self.options.pipelines(example, *self.options.scale)
        crop = self.options.crop
        splits = DataSplits(
            image=self.options.image_shape(example),
            classes=classes,
            train=PlacesInFiles(train, root, decoding, classes, crop, train_pipeline),
            validation=PlacesInFiles(validation, root, decoding, classes, crop, eval_pipeline, train_pipeline),
            test=PlacesInFiles(test, root, decoding, classes, crop, eval_pipeline, train_pipeline),
            findings=findings.found,
        )
        return self.options.with_cache(splits, root)

    def _take_places(self, files: Sequence[tuple[str, int]], seed: int) -> tuple[Files, Files]:
        """The training and validation files; the images of a place stay together."""
        taken = self.options.take_validation(_by_place(files), lambda place: (place[0][1],), seed)
        train, validation = ([file for place in places for file in place] for places in taken)
        return train, validation

    def _find(self, folder: Path, classes: Sequence[str], of_classes: ClassFolders) -> Files:
        ending = f"_{self.options.bands}.jpg"
        listed = of_classes.files(folder, classes)
        files = [file for file in listed if file[0].lower().endswith(ending)]
        strange = [path for path, _ in listed if not path.lower().endswith(_BANDS)]
        if strange:
            what = "images without bands in their names are left out"
            of_classes.findings.add(what, name_below(of_classes.root, strange[0]), len(strange))
        if not files:
            raise ReorderKitError(f"data.bands: {folder} has no image whose name ends with {ending}")
        return files


class PlacesInFiles(ImagesInFiles):
    """Image files, each with a JSON file next to it; those that cannot be read are :class:`Unreadable`.

    Args:
        files: the path and the class of each.
        root: the folder that their names are relative to.
        decoding: how they are decoded.
        classes: names of the classes.
        crop: ``box`` to crop to the object, ``image`` to keep the whole image.
        transform: applied to the crop.
        view_transform: applied for a further view; the same as ``transform`` if not given.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, int]],
        root: Path,
        decoding: Decoding,
        classes: Sequence[str],
        crop: Literal["box", "image"],
        transform: Transform,
        view_transform: Transform | None = None,
    ) -> None:
        super().__init__(files, root, decoding, transform, view_transform)
        self._classes, self._crop = classes, crop

    def cut(self, picture: Picture, path: str, target: int, findings: Findings) -> UInt8[Tensor, "3 height width"]:
        """The object with its context, or the whole image."""
        if self._crop == "image":
            return picture.pixels
        box, annotated_size = _read_box(Path(path).with_suffix(".json"), self._classes[target])
        if picture.turn.turns(annotated_size, "stored", findings.noting(path)):
            box = _turned(box, picture.turn)
        return cut_out(picture.pixels, box)


def _all_classes(train: Sequence[str], val: Sequence[str], findings: Findings) -> list[str]:
    names = sorted({*train, *val})
    tell_of_absent(names, [number for number, name in enumerate(names) if name in train], findings)
    return names


def cut_out(
    image: UInt8[Tensor, "channel height width"], box: tuple[int, int, int, int]
) -> UInt8[Tensor, "channel rows columns"]:
    """The box with its context, within the image.

    Args:
        image: the whole image.
        box: left and top edges, width and height, in pixels.

    Raises:
        ReorderKitError: if the box lies outside the image.
    """
    left, top, width, height = box
    rows = _with_context(top, height, image.shape[-2])
    columns = _with_context(left, width, image.shape[-1])
    if not (rows and columns):
        size = f"{image.shape[-2]}x{image.shape[-1]}"
        raise ReorderKitError(f"the box {list(box)} (left, top, width, height) lies outside the image of {size} pixels")
    return image[:, rows.start : rows.stop, columns.start : columns.stop]


def _with_context(start: int, length: int, pixels: int) -> range:
    if length <= 0 or start >= pixels or start + length <= 0:
        return range(0)
    share = next(context for least, context in CONTEXT if length / pixels >= least)
    margin = int(length * share / 2)
    return range(max(0, start - margin), min(pixels, start + length + margin))


def _turned(box: tuple[int, int, int, int], turn: Turn) -> tuple[int, int, int, int]:
    left, top, width, height = box
    left, top, right, bottom = turn.edges(left, top, left + width, top + height)
    return left, top, right - left, bottom - top


def _read_box(path: Path, category: str) -> tuple[tuple[int, int, int, int], tuple[int, int] | None]:
    """The first box of the category, and the image's height and width in pixels, if the file gives them.

    Raises:
        ReorderKitError: if the file has no such box or cannot be read.
    """
    try:
        content: Any = parse_json(path.read_bytes())
        found: Any = content["bounding_boxes"]
        entries = found if isinstance(found, list) else [found]
        boxes = [entry["box"] for entry in entries if entry["category"] == category]
        sides = [content.get(side) for side in ("img_height", "img_width")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReorderKitError(f"{path} does not locate the object: {type(error).__name__}: {error}") from error
    if not boxes:
        raise ReorderKitError(f"{path} has no box of the category {category!r}")
    try:
        # As integers, which excludes NaN and infinity.
        left, top, width, height = map(int, boxes[0])
        if max(map(abs, (left, top, width, height))) > _FARTHEST:
            raise ValueError("no image is so large")
    except (TypeError, ValueError, OverflowError) as error:
        raise ReorderKitError(f"{path}: the box {str(boxes[0])[:100]} is not [left, top, width, height]") from error
    size = (sides[0], sides[1]) if all(isinstance(side, int) for side in sides) else None
    return (left, top, width, height), size


def _by_place(files: Sequence[tuple[str, int]]) -> list[Files]:
    places: dict[Path, Files] = {}
    for file in files:
        places.setdefault(Path(file[0]).parent, []).append(file)
    return list(places.values())


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [Fmow]
