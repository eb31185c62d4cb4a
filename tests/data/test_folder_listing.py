"""Whether files exist, listing each folder once."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.multi_label_csv import MultiLabelCsv
from reorder_kit.data_sources.voc import Voc
from reorder_kit.interfaces import DataSource

IMAGES = 12


def test_files_and_links_to_files_are_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for link, target in (("link", "file"), ("broken", "nowhere"), ("shortcut", "folder")):
        (tmp_path / link).symlink_to(tmp_path / target)
    (tmp_path / "folder" / "inner").touch()
    listing = FolderListing(tmp_path, Findings())
    names = ["file", "link", "folder/inner", "shortcut/inner", "folder/../file"]
    assert all(listing.has(tmp_path / name) for name in names)
    for name in ("folder", "broken", "shortcut", "nowhere", "nowhere/file", "file/file", "folder/file"):
        assert not listing.has(tmp_path / name)


def test_a_file_that_goes_by_another_name_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "PHOTO.JPG").touch()
    exists = Path.is_file
    # As on a case-insensitive file system.
    monkeypatch.setattr(Path, "is_file", lambda path: exists(path.with_name(path.name.upper())))
    assert FolderListing(tmp_path, Findings()).has(tmp_path / "photo.jpg")
    assert not FolderListing(tmp_path, Findings()).has(tmp_path / "other.jpg")


def coco(root: Path) -> DataSource:
    images = [{"id": number, "file_name": f"{number}.png"} for number in range(IMAGES)]
    boxes = [{"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, 2, 2]} for number in range(IMAGES)]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (root / "train.json").write_text(json.dumps(content))
    return CocoDetection(CocoDetection.Options(root=root, image_size=4))


def table(root: Path) -> DataSource:
    (root / "labels.csv").write_text("\n".join(["path,cat", *(f"images/{number}.png,1" for number in range(IMAGES))]))
    return MultiLabelCsv(MultiLabelCsv.Options(root=root, image_size=4))


def voc(root: Path) -> DataSource:
    (root / "images").rename(root / "JPEGImages")
    for folder in ("ImageSets/Main", "Annotations"):
        (root / folder).mkdir(parents=True)
    (root / "ImageSets" / "Main" / "train.txt").write_text("\n".join(map(str, range(IMAGES))))
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"
    for number in range(IMAGES):
        (root / "JPEGImages" / f"{number}.png").rename(root / "JPEGImages" / f"{number}.jpg")
        annotation = f"<annotation><object><name>cat</name>{box}</object></annotation>"
        (root / "Annotations" / f"{number}.xml").write_text(annotation)
    return Voc(Voc.Options(root=root, image_size=4))


@pytest.mark.parametrize("make", [coco, table, voc])
def test_sources_look_at_folders_not_at_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], DataSource]
) -> None:
    (tmp_path / "images").mkdir()
    for number in range(IMAGES):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / "images" / f"{number}.png")
    source = make(tmp_path)
    looked: Counter[str] = Counter()
    is_file, scandir = Path.is_file, os.scandir

    def counted_look(path: Path, **options: Any) -> bool:
        looked["file"] += 1
        return is_file(path, **options)

    def counted_listing(path: Any = ".") -> Any:
        looked["folder"] += 1
        return scandir(path)

    monkeypatch.setattr(Path, "is_file", counted_look)
    monkeypatch.setattr(os, "scandir", counted_listing)
    source.open(seed=0)
    assert looked["file"] < IMAGES
    assert looked["folder"] < IMAGES
