"""Small data for every data source whose defaults are large or do not open: files of noise, by source."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reorder_kit.interfaces import IGNORED


def small_image_folder(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for number in range(40):
        path = root / f"class-{number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
    return {"root": root, "train_transforms": []}


def small_multi_label_csv(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    lines = ["path,split,even,third,none"]
    for number in range(30):
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(root / f"{number}.png")
        split = ("train", "train", "val")[number // 10]
        # Image 0 has two classes, image 1 none; the last class does not occur in training.
        lines.append(f"{number}.png,{split},{int(number % 2 == 0)},{int(number % 3 == 0)},{int(number == 29)}")
    (root / "labels.csv").write_text("\n".join(lines))
    return {"root": root, "image_size": 16, "train_transforms": []}


def small_multi_label_folder(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for number in range(40):
        image = Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8))
        # Of four images, two are in one of the folders and two in both.
        for name in (("left",), ("left", "right"), ("right",), ("left", "right"))[number % 4]:
            (root / name).mkdir(exist_ok=True)
            image.save(root / name / f"{number}.png")
    return {"root": root, "image_size": 16, "train_transforms": []}


def small_segmentation_folder(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for number in range(20):
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(root / "images" / f"{number}.png")
        mask = noise.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (12, 10))
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return {"root": root, "classes": ["sky", "sea", "sand"], "image_size": 16, "train_transforms": []}


def small_fashion_mnist(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 40), ("t10k", 20)):
        sizes = b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
        pixels = noise.integers(0, 256, count * 28 * 28, dtype=np.uint8).tobytes()
        (raw / f"{name}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + pixels)
        labels = bytes(number % 10 for number in range(count))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + count.to_bytes(4, "big") + labels)
    return {"dataset": "fashion-mnist", "root": root, "train_transforms": []}


def small_imagenet(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for number in range(24):
        folder = root / ("val" if number < 4 else "train") / f"n0000000{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(folder / f"{number}.JPEG")
    return {"root": root, "image_size": 8, "train_transforms": [{"name": "Fit", "size": 8}]}


def small_fmow(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for number in range(24):
        category = ("airport", "zoo")[number % 2]
        folder = root / ("val" if number < 4 else "train") / category / f"{category}_{number}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{category}_{number}_0_rgb.jpg"
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
        boxes = [{"ID": 0, "box": [2, 1, 5, 6], "category": category}]
        path.with_suffix(".json").write_text(json.dumps({"bounding_boxes": boxes}))
    return {"root": root, "image_size": 8, "train_transforms": [{"name": "Fit", "size": 8}]}


def small_records() -> Iterator[dict[str, Any]]:
    """Images as arrays, with targets of every kind; every fourth has no object."""
    noise = np.random.default_rng(0)
    for number in range(40):
        boxes = [[1.0, 2.0, 4.0, 6.0], [3.0, 0.0, 7.0, 12.0]][: 2 if number % 4 else 0]
        yield {
            "image": noise.integers(0, 256, (12, 10, 3), dtype=np.uint8),
            "label": number % 2,
            "labels": sorted({number % 2, number % 3 % 2}),
            "objects": {"bbox": boxes, "category": [0, 1][: len(boxes)]},
            "mask": noise.choice([0, 1, IGNORED], (12, 10)).astype(np.uint8),
        }


def small_hf(root: Path) -> dict[str, Any]:
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    label = datasets.ClassLabel(names=["square", "disc"])
    features = {
        "image": datasets.Image(),
        "label": label,
        "labels": datasets.Sequence(label),
        "objects": {"bbox": datasets.Sequence(datasets.Sequence(datasets.Value("float32"))), "category": [label]},
        "mask": datasets.Image(),
    }
    made = datasets.Dataset.from_list(list(small_records()), features=datasets.Features(features))
    made.save_to_disk(root / "saved")
    return {"dataset": root / "saved", "classes": ("square", "disc"), "image_size": 16, "train_transforms": []}


def small_webdataset(root: Path) -> dict[str, Any]:
    for number, record in enumerate(small_records()):
        content = {"labels": record["labels"], "objects": record["objects"]}
        members = {"cls": str(record["label"]).encode(), "json": json.dumps(content).encode()}
        for ending, pixels in (("png", record["image"]), ("mask.png", record["mask"])):
            Image.fromarray(pixels).save(encoded := BytesIO(), "PNG")
            members[ending] = encoded.getvalue()
        with tarfile.open(root / f"{'val' if number < 10 else 'train'}-{number % 3}.tar", "a") as shard:
            for ending, data in members.items():
                member = tarfile.TarInfo(f"{number:04}.{ending}")
                member.size = len(data)
                shard.addfile(member, BytesIO(data))
    patterns = {"train": "train-{0..2}.tar", "validation": "val-*.tar"}
    return {"root": root, **patterns, "classes": ("square", "disc"), "image_size": 16, "train_transforms": []}


def small_coco(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    images, annotations = [], []
    (root / "images").mkdir()
    for number in range(30):
        height, width = ((12, 10), (8, 16))[number % 2]
        pixels = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        images.append({"id": 100 + number, "file_name": f"{number}.png", "width": width, "height": height})
        # One that fills the image, one that crosses its edges, one of a pixel; every third image has none.
        for place, bbox in enumerate(([0, 0, width, height], [-2.5, 3, 6, 40], [width - 1, height - 1, 1, 1])):
            if number % 3:
                object_ = {"image_id": 100 + number, "category_id": (7, 3, 7)[place], "bbox": bbox}
                annotations.append({"id": len(annotations), "iscrowd": int(number % 4 == 0 and place == 2), **object_})
    categories = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "train.json").write_text(json.dumps(content))
    return {"root": root, "image_size": 16, "train_transforms": []}


def small_voc(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for number in range(30):
        pixels = noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{number}.jpg")
        mask = Image.fromarray(noise.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (12, 10)))
        mask.putpalette([value % 256 for value in range(768)])
        mask.save(root / "SegmentationClass" / f"{number}.png")
        box = "<bndbox><xmin>3</xmin><ymin>1</ymin><xmax>10</xmax><ymax>12</ymax></bndbox>"
        names = ("cat", "dog")[: number % 3]
        objects = "".join(f"<object><name>{name}</name><difficult>0</difficult>{box}</object>" for name in names)
        (root / "Annotations" / f"{number}.xml").write_text(f"<annotation>{objects}</annotation>")
    for lists in ("Main", "Segmentation"):
        (root / "ImageSets" / lists / "train.txt").write_text("\n".join(map(str, range(20))))
        (root / "ImageSets" / lists / "val.txt").write_text("\n".join(map(str, range(20, 30))))
    return {"root": root, "image_size": 16, "train_transforms": [], "classes": ("cat", "dog")}


# Small data, without augmentation, for sources whose defaults are large or do not open.
SMALL: dict[str, Callable[[Path], dict[str, Any]]] = {
    "coco-detection": small_coco,
    "fmow": small_fmow,
    "hf": small_hf,
    "image-folder": small_image_folder,
    "imagenet": small_imagenet,
    "multi-label-csv": small_multi_label_csv,
    "multi-label-folder": small_multi_label_folder,
    # 64 patches: with 16 there are so few distinct images that splits would overlap.
    "planted-chain": lambda _: {"grid": (8, 8), "train_images": 60, "validation_images": 20, "test_images": 30},
    "needle": lambda _: {"grid": (4, 4), "train_images": 60, "validation_images": 20, "test_images": 30},
    "segmentation-folder": small_segmentation_folder,
    "scenes": lambda _: {"train_images": 60, "validation_images": 20, "test_images": 30},
    "torchvision": small_fashion_mnist,
    "voc": small_voc,
    "webdataset": small_webdataset,
}
