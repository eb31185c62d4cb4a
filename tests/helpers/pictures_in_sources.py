"""The same pictures in the layout of every source that decodes image files."""

from __future__ import annotations

import csv
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hf_tables import datasets
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.fmow import Fmow
from reorder_kit.data_sources.hf import HuggingFace
from reorder_kit.data_sources.image_folder import ImageFolder
from reorder_kit.data_sources.imagenet import ImageNet
from reorder_kit.data_sources.multi_label_csv import MultiLabelCsv
from reorder_kit.data_sources.multi_label_folder import MultiLabelFolder
from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.data_sources.voc import Voc
from reorder_kit.data_sources.webdataset import WebDataset
from reorder_kit.interfaces import BOXES, CLASS, MASK, DataSplits, Sample, SampleSet, Unreadable
from shards import write

SIDE = 12
CLASSES = ("ant", "bee")
MEAN, STD = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Item:
    """An encoded picture, and its annotation.

    Args:
        data: the picture.
        box: left, top, right and bottom edge of its one object, for sources of boxes.
        size: the height and width in the annotation, if it has them.
        mask: an encoded mask, for sources of masks; by default nearly all of the first class.
    """

    data: bytes
    box: tuple[int, int, int, int] = (0, 0, 2, 2)
    size: tuple[int, int] | None = None
    mask: bytes | None = None


Split = Sequence[Item]


def encoded(picture: Any, ending: str = "PNG", **options: Any) -> bytes:
    """A Pillow picture or an array, as a file."""
    made = picture if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture))
    made.save(file := BytesIO(), ending, **options)
    return file.getvalue()


def wide_png(values: np.ndarray, transparent: bytes = b"") -> bytes:
    """A PNG of 16 bits with 1 to 4 channels, which Pillow does not write."""
    height, width, channels = values.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    chunks = [(b"IHDR", header), *([(b"tRNS", transparent)] if transparent else []), (b"IDAT", zlib.compress(lines))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in [*chunks, (b"IEND", b"")]
    )


def wide_tiff(values: np.ndarray, order: str) -> bytes:
    """An RGB TIFF of 16 bits, uncompressed, its bytes in the order < or >."""
    height, width, channels = values.shape
    data = values.astype(f"{order}u2").tobytes()
    at = 8 + 2 + 12 * 9 + 4
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, at), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, at + 2 * channels), (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count)
        + (struct.pack(f"{order}HH", value, 0) if kind == 3 and count == 1 else struct.pack(f"{order}I", value))
        for tag, kind, count, value in tags
    )
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(f"{order}HIH", 42, 8, len(tags)) + entries + struct.pack(f"{order}I", 0)
    return head + struct.pack(f"{order}{channels}H", *[16] * channels) + data


def plain(count: int, first: int = 0) -> list[Item]:
    """Small pictures, each in a different color."""
    return [Item(encoded(np.full((2, 2, 3), 10 + first + number, dtype=np.uint8))) for number in range(count)]


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _mask(item: Item, options: dict[str, Any]) -> bytes:
    if item.mask is not None:
        return item.mask
    with Image.open(BytesIO(item.data)) as image:
        pixels = np.zeros((image.height, image.width), dtype=np.uint8)
        # Masks with only the first class are refused.
        pixels[0, 0] = (options.get("values") or options.get("mask_values") or (0, 1))[1]
        return encoded(pixels)


def _class_folders(root: Path, name: str, split: Split, ending: str) -> None:
    for number, item in enumerate(split):
        # The first half has the first class, so that the samples keep their order.
        _write(root / name / CLASSES[2 * number // len(split)] / f"{name}{number:02}.{ending}", item.data)


def _image_folder(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    for name, split in (("train", train), ("val", plain(2, 100)), ("test", test)):
        _class_folders(root, name, split, ending)
    crop = [{"name": "CenterCrop", "size": SIDE}]
    given = {"root": root, "image_size": SIDE, "train_transforms": crop, "eval_transforms": crop}
    return ImageFolder(ImageFolder.Options(**{**given, **options})).open(0)


def _imagenet(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    for name, split in (("train", train), ("val", test)):
        _class_folders(root, name, split, ending)
    crop = [{"name": "CenterCrop", "size": SIDE}]
    given = {"root": root, "image_size": SIDE, "train_transforms": crop, "eval_transforms": crop}
    return ImageNet(ImageNet.Options(**{**given, **options})).open(0)


def _fmow(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    for name, split in (("train", train), ("val", test)):
        for number, item in enumerate(split):
            kind = CLASSES[2 * number // len(split)]
            place = f"{kind}_{number:02}"
            # Decoders use the content, not the name.
            path = _write(root / name / kind / place / f"{place}_0_rgb.jpg", item.data)
            left, top, right, bottom = item.box
            box = {"category": kind, "box": [left, top, right - left, bottom - top]}
            size = {} if item.size is None else {"img_height": item.size[0], "img_width": item.size[1]}
            path.with_suffix(".json").write_text(json.dumps({"bounding_boxes": [box], **size}))
    crop = [{"name": "CenterCrop", "size": SIDE}]
    given = {"root": root, "image_size": SIDE, "train_transforms": crop, "eval_transforms": crop, "crop": "image"}
    return Fmow(Fmow.Options(**{**given, **options})).open(0)


def _multi_label_folder(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    for name, split in (("train", train), ("val", plain(2, 100)), ("test", test)):
        _class_folders(root, name, split, ending)
    return MultiLabelFolder(MultiLabelFolder.Options(root=root, image_size=SIDE, train_transforms=(), **options)).open(
        0
    )


def _multi_label_csv(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    root.mkdir(parents=True)
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "split", *CLASSES])
        for name, split in (("train", train), ("val", plain(2, 100)), ("test", test)):
            for number, item in enumerate(split):
                path = _write(root / f"{name}{number:02}.{ending}", item.data)
                table.writerow([path.name, name, 1, number % 2])
    return MultiLabelCsv(MultiLabelCsv.Options(root=root, image_size=SIDE, train_transforms=(), **options)).open(0)


def _coco(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    for name, split in (("train", train), ("val", plain(2, 100)), ("test", test)):
        images, objects = [], []
        for number, item in enumerate(split):
            path = _write(root / "images" / f"{name}{number:02}.{ending}", item.data)
            size = {} if item.size is None else {"height": item.size[0], "width": item.size[1]}
            images.append({"id": number, "file_name": path.name, **size})
            left, top, right, bottom = item.box
            box = [left, top, right - left, bottom - top]
            objects.append({"id": number, "image_id": number, "category_id": 1 + number % 2, "bbox": box})
        categories = [{"id": number, "name": kind} for number, kind in enumerate(CLASSES, start=1)]
        content = {"images": images, "annotations": objects, "categories": categories}
        _write(root / f"{name}.json", json.dumps(content).encode())
    return CocoDetection(CocoDetection.Options(root=root, image_size=SIDE, train_transforms=(), **options), BOXES).open(
        0
    )


def _voc(root: Path, splits: dict[str, Split], ending: str) -> None:
    for name, split in splits.items():
        names = []
        for number, item in enumerate(split):
            names.append(f"{name}{number:02}")
            _write(root / "JPEGImages" / f"{names[-1]}.{ending}", item.data)
            _write(root / "SegmentationClass" / f"{names[-1]}.png", _mask(item, {}))
            # VOC counts pixels from 1, and names the last one.
            left, top, right, bottom = item.box
            edges = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
            box = "".join(f"<{edge}>{value}</{edge}>" for edge, value in edges.items())
            size = "" if item.size is None else "<size><height>{}</height><width>{}</width></size>".format(*item.size)
            thing = f"<object><name>{CLASSES[number % 2]}</name><bndbox>{box}</bndbox></object>"
            _write(root / "Annotations" / f"{names[-1]}.xml", f"<annotation>{size}{thing}</annotation>".encode())
        for kind in ("Main", "Segmentation"):
            _write(root / "ImageSets" / kind / f"{name}.txt", "\n".join(names).encode())


def _voc_boxes(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    _voc(root, {"train": train, "val": plain(2, 100), "test": test}, ending)
    given = {"root": root, "classes": CLASSES, "image_size": SIDE, "train_transforms": (), **options}
    return Voc(Voc.Options(**given), BOXES).open(0)


def _voc_masks(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    _voc(root, {"train": train, "val": plain(2, 100), "test": test}, ending)
    given = {"root": root, "classes": CLASSES, "image_size": SIDE, "train_transforms": (), **options}
    return Voc(Voc.Options(**given), MASK).open(0)


def _segmentation_folder(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    for name, split in (("train", train), ("val", plain(2, 100)), ("test", test)):
        for number, item in enumerate(split):
            _write(root / "images" / name / f"{number:02}.{ending}", item.data)
            _write(root / "masks" / name / f"{number:02}.png", _mask(item, options))
    given = {"root": root, "classes": CLASSES, "image_size": SIDE, "train_transforms": (), **options}
    return SegmentationFolder(SegmentationFolder.Options(**given)).open(0)


def _hf(root: Path, train: Split, test: Split, target: str, values: Callable[[int, Item], Any], feature: Any) -> None:
    def table(split: Split) -> Any:
        rows = {
            "image": [{"bytes": item.data, "path": None} for item in split],
            target: [values(number, item) for number, item in enumerate(split)],
        }
        features = {"image": datasets.Image(), target: feature}
        return datasets.Dataset.from_dict(rows, features=datasets.Features(features))

    parts = {"train": train, "validation": plain(2, 100), "test": test}
    datasets.DatasetDict({name: table(split) for name, split in parts.items()}).save_to_disk(root)


def _hf_classes(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    _hf(root, train, test, "label", lambda number, _: number % 2, datasets.ClassLabel(names=list(CLASSES)))
    return HuggingFace(HuggingFace.Options(dataset=root, image_size=SIDE, train_transforms=(), **options), CLASS).open(
        0
    )


def _hf_boxes(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    def value(number: int, item: Item) -> Any:
        return {"bbox": [list(map(float, item.box))], "category": [number % 2]}

    numbers = datasets.Sequence(datasets.Sequence(datasets.Value("float32")))
    feature = {"bbox": numbers, "category": datasets.Sequence(datasets.ClassLabel(names=list(CLASSES)))}
    _hf(root, train, test, "objects", value, feature)
    given = {"dataset": root, "box_format": "xyxy", "image_size": SIDE, "train_transforms": (), **options}
    return HuggingFace(HuggingFace.Options(**given), BOXES).open(0)


def _hf_masks(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    _hf(root, train, test, "mask", lambda _, item: {"bytes": _mask(item, options), "path": None}, datasets.Image())
    given = {"dataset": root, "classes": CLASSES, "image_size": SIDE, "train_transforms": (), **options}
    return HuggingFace(HuggingFace.Options(**given), MASK).open(0)


def _shards(root: Path, train: Split, test: Split, target: str, value: Callable[[int, Item], bytes]) -> None:
    for name, split in (("train", train), ("val", plain(2, 100)), ("test", test)):
        members = [
            member
            for number, item in enumerate(split)
            for member in ((f"{number:02}.png", item.data), (f"{number:02}.{target}", value(number, item)))
        ]
        write(root / f"{name}.tar", members)


_SHARDS = {"train": "train.tar", "validation": "val.tar", "test": "test.tar"}


def _webdataset_classes(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    _shards(root, train, test, "cls", lambda number, _: CLASSES[number % 2].encode())
    given = {"root": root, **_SHARDS, "image_size": SIDE, "train_transforms": (), **options}
    return WebDataset(WebDataset.Options(**given), CLASS).open(0)


def _webdataset_boxes(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    def value(number: int, item: Item) -> bytes:
        return json.dumps({"objects": [{"bbox": item.box, "category": CLASSES[number % 2]}]}).encode()

    _shards(root, train, test, "json", value)
    given = {"root": root, **_SHARDS, "box_format": "xyxy", "image_size": SIDE, "train_transforms": (), **options}
    return WebDataset(WebDataset.Options(**given), BOXES).open(0)


def _webdataset_masks(root: Path, train: Split, test: Split, ending: str, options: dict[str, Any]) -> DataSplits:
    _shards(root, train, test, "mask.png", lambda _, item: _mask(item, options))
    given = {"root": root, **_SHARDS, "classes": CLASSES, "image_size": SIDE, "train_transforms": (), **options}
    return WebDataset(WebDataset.Options(**given), MASK).open(0)


Open = Callable[[Path, Split, Split, str, dict[str, Any]], DataSplits]

OF_IMAGES: dict[str, Open] = {
    "image-folder": _image_folder,
    "imagenet": _imagenet,
    "fmow": _fmow,
    "multi-label-folder": _multi_label_folder,
    "multi-label-csv": _multi_label_csv,
    "hf": _hf_classes,
    "webdataset": _webdataset_classes,
}
OF_BOXES: dict[str, Open] = {
    "coco-detection": _coco,
    "voc boxes": _voc_boxes,
    "hf boxes": _hf_boxes,
    "webdataset boxes": _webdataset_boxes,
}
OF_MASKS: dict[str, Open] = {
    "segmentation-folder": _segmentation_folder,
    "voc masks": _voc_masks,
    "hf masks": _hf_masks,
    "webdataset masks": _webdataset_masks,
}
ALL = {**OF_IMAGES, **OF_BOXES, **OF_MASKS}


def open_source(
    source: str, root: Path, test: Split, train: Split = (), ending: str = "png", **options: Any
) -> DataSplits:
    """Open a source whose test split has these pictures, in color and in this order.

    Args:
        source: one of those above.
        root: an empty or missing folder.
        test: the pictures of the test split.
        train: training pictures; plain ones are added.
        ending: the file extension, if the source allows it.
        options: of the source.
    """
    return ALL[source](root / "data", [*train, *plain(12)], test, ending, options)


def read(split: SampleSet, number: int) -> Sample:
    """A sample that must be readable."""
    sample = split[number]
    assert not isinstance(sample, Unreadable), sample
    return sample


def pixels(sample: Sample, size: tuple[int, int]) -> np.ndarray:
    """The values from 0 to 255 of a picture of this height and width, which the source has padded: (row, column, 3)."""
    values = np.moveaxis(sample.image.double().numpy(), 0, -1) * STD + MEAN
    whole = np.round(values * 255).astype(np.uint8)
    height, width = size
    if sample.content is not None:
        assert sample.content == size
        return whole[:height, :width]
    # Sources without letterboxing pad on all sides here.
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    return whole[top : top + height, left : left + width]


def found_in(sample: Sample) -> list[str]:
    """What was converted, guessed or dropped."""
    assert all(finding.count == 1 and finding.example for finding in sample.findings)
    return [finding.what for finding in sample.findings]
