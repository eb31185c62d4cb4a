"""Small image folders for every source that reads folders, as people have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.fmow import Fmow
from reorder_kit.data_sources.image_folder import ImageFolder
from reorder_kit.data_sources.imagenet import ImageNet
from reorder_kit.data_sources.multi_label_csv import MultiLabelCsv
from reorder_kit.data_sources.multi_label_folder import MultiLabelFolder
from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.data_sources.voc import Voc
from reorder_kit.interfaces import DataSource, DataSplits, HasIdentities, SampleSet, Unreadable

MASK = np.repeat([[0, 0, 1, 1]], 4, axis=0).astype(np.uint8)


def save_image(path: Path, value: int = 0) -> None:
    """One of plain color, which no other value has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (value, value, value)).save(path)


def names(samples: SampleSet) -> list[str]:
    """The names of the samples of a split."""
    assert isinstance(samples, HasIdentities)
    return [samples.identity(index).name for index in range(len(samples))]


def all_names(splits: DataSplits) -> list[str]:
    return sorted(name for split in (splits.train, splits.validation, splits.test) for name in names(split))


def found(splits: DataSplits) -> dict[str, tuple[int, str]]:
    """Count and example of each finding."""
    return {finding.what: (finding.count, finding.example) for finding in splits.findings}


def read_all(splits: DataSplits) -> None:
    """Every sample of every split can be read."""
    for samples in (splits.train, splits.validation, splits.test):
        for index in range(len(samples)):
            assert not isinstance(samples[index], Unreadable)


def plain(source: type[DataSource], root: Path, **options: Any) -> DataSource:
    """A source without augmentation, for images of 4x4 pixels."""
    return source(source.Options(**{"root": root, "image_size": 4, "train_transforms": (), **options}))


@dataclass(frozen=True)
class Folders:
    """A source that reads folders, and how to add an image to them.

    Args: source: the source. add: writes an image of a split and a class below a root, with its annotation; the split
        may be empty if the data has none. options: of the source. has_splits: it needs folders for train and val.
        place: the folder of the images of a split and a class, relative to the root.
    """

    source: type[DataSource]
    add: Callable[[Path, str, str, int], Path]
    options: dict[str, Any]
    has_splits: bool
    place: Callable[[str, str], str]

    def fill(self, root: Path, split: str, values: Sequence[int]) -> list[Path]:
        """Images of two classes."""
        return [self.add(root, split, ("cat", "dog")[value % 2], value) for value in values]

    def fill_splits(self, root: Path) -> None:
        """Enough images for every source: train and val."""
        self.fill(root, "train", range(12))
        self.fill(root, "val", range(40, 44))

    def open(self, root: Path) -> DataSplits:
        """As a recipe would."""
        return plain(self.source, root, **self.options).open(seed=0)


def _add_to_class(root: Path, split: str, name: str, value: int) -> Path:
    path = root / split / name / f"{value}.png"
    save_image(path, value)
    return path


def _add_place(root: Path, split: str, name: str, value: int) -> Path:
    path = root / split / name / f"{name}_{value}" / f"{name}_{value}_0_rgb.jpg"
    save_image(path, value)
    path.with_suffix(".json").write_text(json.dumps({"bounding_boxes": [{"box": [1, 1, 2, 2], "category": name}]}))
    return path


def _add_masked(root: Path, split: str, _: str, value: int) -> Path:
    path = root / "images" / split / f"{value}.png"
    save_image(path, value)
    mask = root / "masks" / split / f"{value}.png"
    mask.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(MASK).save(mask)
    return path


def _below_split(split: str, name: str) -> str:
    return f"{split}/{name}"


FOLDERS = {
    "image-folder": Folders(ImageFolder, _add_to_class, {}, False, _below_split),
    "multi-label-folder": Folders(MultiLabelFolder, _add_to_class, {}, False, _below_split),
    "imagenet": Folders(ImageNet, _add_to_class, {}, True, _below_split),
    "fmow": Folders(Fmow, _add_place, {"train_transforms": ({"name": "Fit", "size": 4},)}, True, _below_split),
    "segmentation-folder": Folders(
        SegmentationFolder, _add_masked, {"classes": ("sea", "ship")}, False, lambda split, _: f"images/{split}"
    ),
}
CLASS_FOLDERS = {name: folders for name, folders in FOLDERS.items() if name != "segmentation-folder"}
SINGLE_LABEL = {name: CLASS_FOLDERS[name] for name in ("image-folder", "imagenet", "fmow")}


@dataclass(frozen=True)
class Naming:
    """A source in which one file names another, with images in ``folder`` below a root.

    Args:
        folder: of the images.
        write: writes the file that names images, for train, val and test, with the names as given.
        open: as a recipe would.
    """

    folder: str
    write: Callable[[Path, Sequence[str]], None]
    open: Callable[[Path], DataSplits]


def _write_table(root: Path, given: Sequence[str]) -> None:
    lines = [f"photos/{name},{split},1" for name, split in zip(given, ("train", "train", "val", "test"), strict=True)]
    (root / "labels.csv").write_text("\n".join(["path,split,cat", *lines]), encoding="utf-8")


def _write_coco(root: Path, given: Sequence[str]) -> None:
    for split, part in (("train", given[:2]), ("val", given[2:3]), ("test", given[3:])):
        images = [{"id": number, "file_name": name, "width": 4, "height": 4} for number, name in enumerate(part)]
        objects = [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, 2, 2]} for number in range(len(part))
        ]
        content = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "cat"}]}
        (root / f"{split}.json").write_text(json.dumps(content))


def _write_index(root: Path, given: Sequence[str]) -> None:
    for path in (root / "images").rglob("*"):
        if path.is_file():
            mask = (root / "masks" / path.relative_to(root / "images")).with_suffix(".png")
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(MASK).save(mask)
    lines = [f"{name},{split}" for name, split in zip(given, ("train", "train", "val", "test"), strict=True)]
    (root / "index.csv").write_text("\n".join(["name,split", *lines]), encoding="utf-8")


def _write_voc(root: Path, given: Sequence[str]) -> None:
    """Lists of names without an extension, and an annotation for each image."""
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "Annotations").mkdir()
    stems = [name.removesuffix(".jpg") for name in given]
    for split, part in (("train", stems[:2]), ("val", stems[2:3]), ("test", stems[3:])):
        (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(part), encoding="utf-8")
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"
    for path in (root / "JPEGImages").rglob("*"):
        if path.is_file():
            note = (root / "Annotations" / path.relative_to(root / "JPEGImages")).with_suffix(".xml")
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(f"<annotation><object><name>cat</name>{box}</object></annotation>")


def _segmentation(root: Path) -> DataSplits:
    return plain(SegmentationFolder, root, classes=("sea", "ship"), index="index.csv").open(seed=0)


NAMING = {
    "multi-label-csv": Naming("photos", _write_table, lambda root: plain(MultiLabelCsv, root).open(seed=0)),
    "coco-detection": Naming("images", _write_coco, lambda root: plain(CocoDetection, root).open(seed=0)),
    "segmentation-folder": Naming("images", _write_index, _segmentation),
    "voc": Naming("JPEGImages", _write_voc, lambda root: plain(Voc, root, classes=("cat",)).open(seed=0)),
}
