"""Functional Map of the World: satellite images of places, by what the place is used for."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jaxtyping import UInt8
from pydantic import Field, PositiveInt
from torch import Tensor

from reorder_kit.data.channel_options import IMAGENET_MEAN, IMAGENET_STD
from reorder_kit.data.class_folders import find_classes, find_files, require_every_class
from reorder_kit.data.content_digest import file_digest
from reorder_kit.data.dealing import deal
from reorder_kit.data.decoded_cache import DecodedSamples, file_key, key_of
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import first_readable, read_image
from reorder_kit.data.image_options import HomePath, ImageOptions
from reorder_kit.data.samples import Transform, name_below
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape, Sample, Unreadable

_log = logging.getLogger(__name__)

# Added to a side of a box, as a share of it, by the share of the image that it covers: the first limit that it reaches.
CONTEXT = ((0.5, 0.15), (0.4, 0.2), (0.3, 0.3), (0.2, 0.5), (0.1, 1.0), (0.0, 2.0))

Files = list[tuple[str, int]]


class Fmow(DataSource):
    """Functional Map of the World (fMoW-rgb): satellite images of 62 kinds of places, or a part of them.

    Read from ``root/train/CLASS/CLASS_N/CLASS_N_T_rgb.jpg`` and ``root/val/...``: N is a place, T one of several times
    at which it was photographed. The test split is ``val``; other folders, as ``test`` and ``seq``, are not looked at.
    Validation is set aside from train by ``split_seed``, the same share of every class, and a place with all its
    images, since they resemble each other. Classes are the folders of both: one that train lacks, as may be the case
    with ``false_detection``, counts in the figures, though no model can find it.

    By default an image is cut to the object, which the JSON file beside it says (``bounding_boxes``, the one with the
    folder's class), with context around it: little around what fills most of the image, twice its size around what is
    tiny, as in the data set's own baseline. A JSON file that is missing or has no such box makes the image unreadable;
    so do more than 2**28 pixels. What was cut out goes through the same transforms as those of ``image-folder``.

    Source: G. Christie et al., Functional Map of the World, CVPR 2018, https://arxiv.org/abs/1711.07846; data and
    licence: https://github.com/fMoW/dataset; context: https://github.com/fMoW/baseline
    """

    name = "fmow"
    target_kinds = (CLASS,)

    class Options(ImageOptions):
        root: HomePath = Field(description="the folder that holds train and val; ~ is the home folder")
        image_size: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
            224, description="side of the square, or [height, width], pixels"
        )
        bands: Literal["rgb", "msrgb"] = Field(
            "rgb", description="which images: rgb is sharpened and large, msrgb is made from the multispectral bands"
        )
        crop: Literal["box", "image"] = Field(
            "box", description="box: cut to the object and its surroundings; image: the whole image"
        )

    options: Options

    @property
    def image(self) -> ImageShape | None:
        """The given size."""
        return self.options.given_shape(channels=3)

    def open(self, seed: int) -> DataSplits:
        """List the files and set the validation places aside."""
        root = self.options.root
        for split in ("train", "val"):
            if not (root / split).is_dir():
                raise ReorderKitError(
                    f"data.root: there is no folder {root / split}",
                    "https://github.com/fMoW/dataset says how to get it",
                )
        classes = self._classes(find_classes(root / "train"), find_classes(root / "val"))
        listed = self._find(root / "train", classes)
        require_every_class(listed, classes, root / "train")
        of_test = self._find(root / "val", classes)
        findings = Findings()
        train, validation, test = deal(
            self.recorded,
            (listed, None, of_test),
            lambda file: name_below(root, file[0]),
            findings,
            lambda: (*self._take_places(listed, seed), of_test),
        )
        example = first_readable(len(listed), lambda number: read_image(listed[number][0], channels=3))
        train_pipeline, eval_pipeline = self.options.pipelines(example, IMAGENET_MEAN, IMAGENET_STD)
        crop = self.options.crop
        splits = DataSplits(
            image=self.options.image_shape(example),
            classes=classes,
            train=PlacesInFiles(train, root, classes, crop, train_pipeline),
            validation=PlacesInFiles(validation, root, classes, crop, eval_pipeline, train_pipeline),
            test=PlacesInFiles(test, root, classes, crop, eval_pipeline, train_pipeline),
            findings=findings.found,
        )
        return self.options.with_cache(splits, root)

    def _take_places(self, files: Files, seed: int) -> tuple[Files, Files]:
        """Training and validation; a place stays together."""
        taken = self.options.take_validation(_by_place(files), lambda place: (place[0][1],), seed)
        train, validation = ([file for place in places for file in place] for places in taken)
        return train, validation

    def _classes(self, train: Sequence[str], val: Sequence[str]) -> list[str]:
        only_in_val = sorted(set(val) - set(train))
        if only_in_val:
            _log.warning("%s: no training image has the class %s", self.options.root, ", ".join(only_in_val))
        return sorted({*train, *val})

    def _find(self, folder: Path, classes: Sequence[str]) -> Files:
        ending = f"_{self.options.bands}.jpg"
        files = [file for file in find_files(folder, classes) if file[0].endswith(ending)]
        if not files:
            raise ReorderKitError(f"data.bands: {folder} has no image whose name ends with {ending}")
        return files


class PlacesInFiles(DecodedSamples[UInt8[Tensor, "channel height width"]]):
    """Image files with a JSON file beside each. What cannot be read is unreadable.

    Args:
        files: the path and the class of each.
        root: the folder that they are named from.
        classes: names of the classes.
        crop: ``box`` cuts to the object, ``image`` does not.
        transform: what to do with what was cut out.
        view_transform: what to do with it for a further view; the same if not given.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, int]],
        root: Path,
        classes: Sequence[str],
        crop: Literal["box", "image"],
        transform: Transform,
        view_transform: Transform | None = None,
    ) -> None:
        self._files, self._root, self._classes, self._crop = files, root, classes, crop
        self._transform, self._view_transform = transform, view_transform or transform

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        return self._sample(index, self._transform)

    def view(self, index: int) -> Sample | Unreadable:
        """A further view of a sample."""
        return self._sample(index, self._view_transform)

    def target(self, index: int) -> int:
        """The class of a sample, whether or not its image can be read."""
        return self._files[index][1]

    def name(self, index: int) -> str:
        """The path of a sample, from the root."""
        return name_below(self._root, self._files[index][0])

    def content_digest(self, index: int) -> str:
        """Of the file of a sample."""
        return file_digest(self._files[index][0])

    def decode(self, index: int) -> UInt8[Tensor, "channel height width"] | Unreadable:
        """Read the file of a sample, all of it."""
        return read_image(self._files[index][0], channels=3)

    def decoding_key(self, index: int) -> bytes:
        """Of the file of a sample."""
        return key_of(file_key(self._files[index][0]))

    def _sample(self, index: int, transform: Transform) -> Sample | Unreadable:
        path, target = self._files[index]
        image = self.decoded(index)
        if isinstance(image, Unreadable):
            return image
        try:
            if self._crop == "box":
                image = cut_out(image, _read_box(Path(path).with_suffix(".json"), self._classes[target]))
            return Sample(transform(image), target)
        except ReorderKitError as error:
            return Unreadable(path, error.message)


def cut_out(
    image: UInt8[Tensor, "channel height width"], box: tuple[int, int, int, int]
) -> UInt8[Tensor, "channel rows columns"]:
    """The box with its context, as far as the image goes.

    Args:
        image: the whole image.
        box: left and top edge, width and height, pixels.

    Raises:
        ReorderKitError: if the box has no pixel in the image.
    """
    left, top, width, height = box
    rows = _with_context(top, height, image.shape[-2])
    columns = _with_context(left, width, image.shape[-1])
    if not (rows and columns):
        size = f"{image.shape[-2]}x{image.shape[-1]}"
        raise ReorderKitError(f"the box {list(box)} (left, top, width, height) is not in the image of {size} pixels")
    return image[:, rows.start : rows.stop, columns.start : columns.stop]


def _with_context(start: int, length: int, pixels: int) -> range:
    if length <= 0 or start >= pixels or start + length <= 0:
        return range(0)
    share = next(context for least, context in CONTEXT if length / pixels >= least)
    margin = int(length * share / 2)
    return range(max(0, start - margin), min(pixels, start + length + margin))


def _read_box(path: Path, category: str) -> tuple[int, int, int, int]:
    """The first box of the category.

    Raises:
        ReorderKitError: if the file has none or cannot be read.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        found: Any = content["bounding_boxes"]
        entries = found if isinstance(found, list) else [found]
        boxes = [entry["box"] for entry in entries if entry["category"] == category]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReorderKitError(f"{path} does not tell where the object is: {type(error).__name__}: {error}") from error
    if not boxes:
        raise ReorderKitError(f"{path} has no box of the category {category!r}")
    try:
        # As integers, which neither NaN nor infinity can be.
        left, top, width, height = map(int, boxes[0])
    except (TypeError, ValueError, OverflowError) as error:
        raise ReorderKitError(f"{path}: the box {boxes[0]!r} is not [left, top, width, height]") from error
    return left, top, width, height


def _by_place(files: Files) -> list[Files]:
    places: dict[Path, Files] = {}
    for file in files:
        places.setdefault(Path(file[0]).parent, []).append(file)
    return list(places.values())


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [Fmow]
