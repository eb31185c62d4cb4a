"""Every source that reads files, with images of a few pixels determined by their names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from PIL import Image

from tests.helpers import shards

CLASSES = ("dog", "cat")
SIZE = 8


def pixels(name: str, version: int = 0) -> np.ndarray:
    """Noise determined by the name."""
    return np.random.RandomState(crc32(f"{name} {version}".encode())).randint(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)


def class_of(name: str) -> int:
    """The class of an image, from the number at the end of its name."""
    return int(name.rpartition("-")[2]) % 2


def save(path: Path, image: np.ndarray) -> Path:
    """Save an image, creating its folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


Images = Mapping[str, np.ndarray]
"""Images by name."""


def _class_folders(root: Path, images: Images) -> None:
    for name, image in images.items():
        save(root / CLASSES[class_of(name)] / f"{name}.png", image)


def _csv(root: Path, images: Images) -> None:
    for name, image in images.items():
        save(root / f"{name}.png", image)
    lines = [f"{name}.png,{class_of(name)},{1 - class_of(name)}" for name in images]
    (root / "labels.csv").write_text("\n".join(["path,dog,cat", *lines]))


def _coco(root: Path, images: Images) -> None:
    for name, image in images.items():
        save(root / "images" / f"{name}.png", image)
    numbered = dict(enumerate(images))
    listed = [{"id": n, "file_name": f"{name}.png", "height": SIZE, "width": SIZE} for n, name in numbered.items()]
    boxes = [
        {"id": number, "image_id": number, "category_id": class_of(name) + 1, "bbox": [1, 2, 4, 3]}
        for number, name in numbered.items()
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    content = {"images": listed, "annotations": boxes, "categories": categories}
    (root / "train.json").write_text(json.dumps(content))


def _voc(root: Path, images: Images) -> None:
    for name, image in images.items():
        save(root / "JPEGImages" / f"{name}.png", image)
        (root / "Annotations").mkdir(exist_ok=True)
        thing = f"<name>{CLASSES[class_of(name)]}</name>"
        box = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>"
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation><object>{thing}{box}</object></annotation>")
    (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / "Main" / "train.txt").write_text("\n".join(images))


def _masks(root: Path, images: Images) -> None:
    for name, image in images.items():
        save(root / "images" / f"{name}.png", image)
        save(root / "masks" / f"{name}.png", (image[:, :, 0] > 127).astype(np.uint8))


def _shards(root: Path, images: Images) -> None:
    members = []
    for name, image in images.items():
        members += [(f"{name}.png", shards.picture(image)), (f"{name}.cls", str(class_of(name)).encode())]
    shards.write(root / "train.tar", members)


def _hf(root: Path, images: Images) -> None:
    import datasets

    from tests.helpers import hf_tables

    rows = [hf_tables.encoded(image) for image in images.values()]
    labels = {"label": [class_of(name) for name in images]}
    made = hf_tables.table(labels, rows, label=datasets.ClassLabel(names=CLASSES))
    hf_tables.save(root, train=made)


def _imagenet(root: Path, images: Images) -> None:
    for name, image in images.items():
        save(root / "train" / CLASSES[class_of(name)] / f"{name}.png", image)
    for number, name in enumerate(CLASSES):
        save(root / "val" / name / f"tested-{number}.png", pixels(f"tested-{number}"))


def _fmow(root: Path, images: Images) -> None:
    tested = {f"tested-{number}": pixels(f"tested-{number}") for number in range(2)}
    for split, of_split in (("train", images), ("val", tested)):
        for name, image in of_split.items():
            category = CLASSES[class_of(name)]
            path = save(root / split / category / f"{category}_{name}" / f"{category}_{name}_0_rgb.jpg", image)
            content = {"bounding_boxes": [{"category": category, "box": [1, 1, 6, 6]}]}
            path.with_suffix(".json").write_text(json.dumps(content))


@dataclass(frozen=True)
class TinySource:
    """A source, and how to write its data.

    Args:
        name: of the source.
        task: the task for its targets.
        fill: writes images below a folder, without splits.
        options: options of the source, without the data location.
        place: the option for the data location.
        classes: the classes that the source reports.
    """

    name: str
    task: str
    fill: Callable[[Path, Images], None]
    options: Mapping[str, Any]
    place: str = "root"
    classes: Sequence[str] = CLASSES

    def data(self, root: Path, **options: Any) -> dict[str, Any]:
        """The section ``data`` of a recipe."""
        return {"name": self.name, self.place: str(root), "image_size": SIZE, **self.options, **options}

    def __str__(self) -> str:
        return self.name


SOURCES = [
    TinySource("image-folder", "classification", _class_folders, {}),
    TinySource("multi-label-folder", "multi-label", _class_folders, {}),
    TinySource("multi-label-csv", "multi-label", _csv, {}),
    TinySource("coco-detection", "detection", _coco, {}),
    TinySource("voc", "detection", _voc, {"classes": list(CLASSES)}),
    TinySource("segmentation-folder", "segmentation", _masks, {"classes": ["background", "ship"]}),
    TinySource("webdataset", "classification", _shards, {"train": "*.tar"}),
    TinySource("hf", "classification", _hf, {}, place="dataset"),
    TinySource("imagenet", "classification", _imagenet, {}),
    TinySource("fmow", "classification", _fmow, {}),
]
"""Each source that holds out images from the training split."""
