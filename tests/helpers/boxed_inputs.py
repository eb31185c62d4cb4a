"""Small generated images with boxes, written for every source of boxes as people would."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.voc import Voc
from reorder_kit.data_sources.webdataset import WebDataset
from reorder_kit.interfaces import BOXES, DataSplits, Sample, SampleSet, TargetKind

SOURCES = ("coco-detection", "hf", "voc", "webdataset")
DECLARING = ("coco-detection", "voc")
"""Those whose annotations declare the size of an image."""

Numbers = Sequence[float]
HEIGHT, WIDTH = 30, 50
SOUND = (4, 3, 24, 21)
"""Left, top, right and bottom edges of a box that fits."""


@dataclass
class Picture:
    """An image of noise and its boxes.

    Args:
        boxes: numbers that stand in the file as they are here.
        flag: stands in the file as the mark of each box, ``iscrowd`` or ``difficult``; not written if not given.
        declared: height and width that the annotation declares; its own if "own", none if None.
    """

    boxes: Sequence[Numbers]
    flag: Any = None
    declared: tuple[Any, Any] | str | None = "own"
    height: int = HEIGHT
    width: int = WIDTH

    def encoded(self, number: int) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 256, (self.height, self.width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file := BytesIO(), "PNG")
        return file.getvalue()

    def size(self) -> tuple[Any, Any] | None:
        return (self.height, self.width) if self.declared == "own" else self.declared  # type: ignore[return-value]


def usual(source: str, *edges: Numbers) -> list[Numbers]:
    """Left, top, right and bottom edges, in the numbers of a source's format."""
    if source == "voc":
        return [(left + 1, top + 1, right, bottom) for left, top, right, bottom in edges]
    return [(left, top, right - left, bottom - top) for left, top, right, bottom in edges]


def sound(source: str) -> Picture:
    return Picture(usual(source, SOUND))


def open_boxed(
    source: str,
    root: Path,
    train: Sequence[Picture],
    test: Sequence[Picture] = (),
    kind: TargetKind = BOXES,
    **given: Any,
) -> DataSplits:
    """The pictures for training, others for validation, and the given ones for the test."""
    splits = {"train": train, "val": [sound(source)], "test": test or [sound(source)]}
    options = {"image_size": (HEIGHT, WIDTH), "train_transforms": [], **given}
    return OPENERS[source](root, splits, kind, options)


def samples(split: SampleSet) -> list[Sample]:
    found = [split[index] for index in range(len(split))]
    assert all(isinstance(sample, Sample) for sample in found), found
    return [sample for sample in found if isinstance(sample, Sample)]


def told(split: SampleSet) -> dict[str, int]:
    """Findings from reading a split, with counts."""
    counts: dict[str, int] = {}
    for sample in samples(split):
        for finding in sample.findings:
            counts[finding.what] = counts.get(finding.what, 0) + finding.count
    return counts


Splits = dict[str, Sequence[Picture]]


def _numbered(splits: Splits) -> list[tuple[str, int, Picture]]:
    every = [(split, picture) for split, pictures in splits.items() for picture in pictures]
    return [(split, number, picture) for number, (split, picture) in enumerate(every)]


def _coco(root: Path, splits: Splits, kind: TargetKind, options: dict[str, Any]) -> DataSplits:
    (root / "images").mkdir()
    content: dict[str, Any] = {
        split: {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]} for split in splits
    }
    for split, number, picture in _numbered(splits):
        (root / "images" / f"{number}.png").write_bytes(picture.encoded(number))
        image: dict[str, Any] = {"id": number, "file_name": f"{number}.png"}
        if (size := picture.size()) is not None:
            image |= {"height": size[0], "width": size[1]}
        content[split]["images"].append(image)
        for box in picture.boxes:
            mark = {} if picture.flag is None else {"iscrowd": picture.flag}
            annotation = {"image_id": number, "category_id": 1, "bbox": list(box), **mark}
            content[split]["annotations"].append(annotation)
    for split, of_split in content.items():
        (root / f"{split}.json").write_text(json.dumps(of_split))
    return CocoDetection(CocoDetection.Options(root=root, **options), kind).open(seed=0)


def _voc(root: Path, splits: Splits, kind: TargetKind, options: dict[str, Any]) -> DataSplits:
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for split, number, picture in _numbered(splits):
        (root / "JPEGImages" / f"{number}.png").write_bytes(picture.encoded(number))
        text = ""
        if (size := picture.size()) is not None:
            text = f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
        mark = "" if picture.flag is None else f"<difficult>{picture.flag}</difficult>"
        for box in picture.boxes:
            text += f"<object><name>cat</name>{mark}<bndbox>{_edges(box)}</bndbox></object>"
        (root / "Annotations" / f"{number}.xml").write_text(f"<annotation>{text}</annotation>")
        with (root / "ImageSets" / "Main" / f"{split}.txt").open("a") as file:
            file.write(f"{number}\n")
    return Voc(Voc.Options(root=root, classes=("cat",), **options), kind).open(seed=0)


def _edges(box: Numbers) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    return "".join(f"<{name}>{number}</{name}>" for name, number in zip(names, box, strict=True))


def _objects(picture: Picture) -> dict[str, Any]:
    marks = {} if picture.flag is None else {"iscrowd": [picture.flag] * len(picture.boxes)}
    return {"bbox": [list(box) for box in picture.boxes], "category": ["cat"] * len(picture.boxes), **marks}


def _webdataset(root: Path, splits: Splits, kind: TargetKind, options: dict[str, Any]) -> DataSplits:
    for split, number, picture in _numbered(splits):
        with tarfile.open(root / f"{split}.tar", "a") as shard:
            parts = {"png": picture.encoded(number), "json": json.dumps({"objects": _objects(picture)}).encode()}
            for ending, data in parts.items():
                member = tarfile.TarInfo(f"{number:03}.{ending}")
                member.size = len(data)
                shard.addfile(member, BytesIO(data))
    paths = {"train": "train.tar", "validation": "val.tar", "test": "test.tar"}
    return WebDataset(WebDataset.Options(root=root, **paths, **options), kind).open(seed=0)


def _hf(root: Path, splits: Splits, kind: TargetKind, options: dict[str, Any]) -> DataSplits:
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    from reorder_kit.data_sources.hf import HuggingFace

    tables = {}
    for split in splits:
        of_split = [(number, picture) for name, number, picture in _numbered(splits) if name == split]
        columns = {
            "image": [{"bytes": picture.encoded(number), "path": None} for number, picture in of_split],
            "objects": [_objects(picture) for _, picture in of_split],
        }
        tables[split] = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    datasets.DatasetDict(tables).save_to_disk(root / "saved")
    return HuggingFace(HuggingFace.Options(dataset=root / "saved", **options), kind).open(seed=0)


OPENERS: dict[str, Callable[[Path, Splits, TargetKind, dict[str, Any]], DataSplits]] = {
    "coco-detection": _coco,
    "hf": _hf,
    "voc": _voc,
    "webdataset": _webdataset,
}
