"""Functional Map of the World: layout, places, boxes with context, and possible errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reorder_kit.data.decoding import Decoding
from reorder_kit.data.image_file import read_image
from reorder_kit.data_sources.fmow import Fmow, cut_out
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, ImageShape, Sample, SampleSet, Unreadable


def add_image(root: Path, split: str, category: str, place: int, time: int, boxes: Any = None) -> Path:
    """An image of 20x20 pixels, gray except for a white square of 10x10 at left 4, top 6."""
    path = root / split / category / f"{category}_{place}" / f"{category}_{place}_{time}_rgb.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((20, 20, 3), 50 + place, dtype=np.uint8)
    pixels[6:16, 4:14] = 255
    pixels[18, 10 + time] = 40 + len(category) + 100 * (split == "val")  # no two images are the same
    Image.fromarray(pixels).save(path, quality=100)
    if boxes is None:
        boxes = [{"ID": 0, "box": [4, 6, 10, 10], "category": category}]
    path.with_suffix(".json").write_text(json.dumps({"gsd": 0.5, "bounding_boxes": boxes}))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for category in ("airport", "zoo"):
        for place in range(10):
            for time in range(3):
                add_image(tmp_path, "train", category, place, time)
        add_image(tmp_path, "val", category, 0, 0)
    return tmp_path


def open_fmow(root: Path, **options: Any) -> DataSplits:
    fit = [{"name": "Fit", "size": 8}]
    return Fmow(Fmow.Options(**{"root": root, "image_size": 8, "train_transforms": fit, **options})).open(seed=0)


def samples(split: SampleSet) -> list[Sample]:
    found = [split[number] for number in range(len(split))]
    assert all(isinstance(sample, Sample) for sample in found), found
    return [sample for sample in found if isinstance(sample, Sample)]


def test_validation_takes_whole_places_of_every_class(root: Path) -> None:
    splits = open_fmow(root, validation_fraction=0.2, crop="image")
    assert splits.classes == ["airport", "zoo"]
    assert splits.image == ImageShape(3, 8, 8)
    assert [sample.target for sample in samples(splits.validation)] == [0] * 6 + [1] * 6
    assert (len(splits.train), len(splits.test)) == (48, 2)
    # The corner of an image says which place it shows.
    places = [
        {(sample.target, round(sample.image[0, 0, 0].item(), 2)) for sample in samples(split)}
        for split in (splits.train, splits.validation)
    ]
    assert [len(of_split) for of_split in places] == [16, 4]
    assert not places[0] & places[1]


def test_an_image_is_cut_to_its_object(root: Path) -> None:
    options = {"eval_transforms": [{"name": "Resize", "size": [8, 8]}]}
    cut, whole = (samples(open_fmow(root, crop=crop, **options).test)[0].image for crop in ("box", "image"))
    white = ((1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])).view(3, 1, 1)
    assert torch.allclose(cut, white.expand(3, 8, 8), atol=0.05)
    assert not torch.allclose(whole, white.expand(3, 8, 8), atol=0.5)


def places_of(box: tuple[int, int, int, int], height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the crop from an image whose pixels encode their position."""
    rows = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.uint8)[None].expand(height, width)
    cut = cut_out(torch.stack([columns, rows]), box)
    return int(cut[0, 0, 0]), int(cut[1, 0, 0]), cut.shape[2], cut.shape[1]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # Half of the side and more: 0.15 of 100 is added, 7 on each side.
        ((50, 50, 100, 100), (43, 43, 114, 114)),
        # 0.4 of it: 0.2 of 80, 8 on each side; from 0.3: 0.3 of 60, 9 on each side.
        ((50, 50, 80, 60), (42, 41, 96, 78)),
        # From 0.2: 0.5 of 40, 10 on each side; from 0.1: once 20, 10 on each side.
        ((50, 60, 40, 20), (40, 50, 60, 40)),
        # Less than a tenth: twice the side.
        ((50, 60, 10, 4), (40, 56, 30, 12)),
        # Context and box end with the image.
        ((0, 190, 100, 20), (0, 180, 107, 20)),
    ],
)
def test_small_objects_get_more_context(box: tuple[int, int, int, int], expected: tuple[int, int, int, int]) -> None:
    assert places_of(box, 200, 200) == expected


def test_height_and_width_have_their_own_context() -> None:
    # 20 of 200 columns: once 20, 10 on each side; 20 of 40 rows: 0.15 of 20, 1 on each side.
    assert places_of((50, 10, 20, 20), 40, 200) == (40, 9, 40, 22)


@pytest.mark.parametrize("box", [(30, 0, 5, 5), (0, 30, 5, 5), (-9, 0, 9, 5), (3, 3, 0, 5), (3, 3, 5, -1)])
def test_a_box_outside_the_image_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ReorderKitError, match="lies outside the image of 20x30 pixels"):
        cut_out(torch.zeros(3, 20, 30, dtype=torch.uint8), box)


def test_the_box_of_the_folders_class_counts(root: Path) -> None:
    boxes = [
        {"ID": -1, "box": [0, 0, 2, 2], "category": "false_detection"},
        {"ID": 0, "box": [4, 6, 10, 10], "category": "zoo"},
    ]
    add_image(root, "val", "zoo", 0, 0, boxes=boxes)
    alone = boxes[1]
    add_image(root, "val", "zoo", 0, 1, boxes=alone)
    first, expected, same = (sample.image for sample in samples(open_fmow(root).test))
    assert torch.equal(first, expected)
    assert torch.equal(first, same)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "does not locate the object: FileNotFoundError"),
        ("{", "does not locate the object: JSONDecodeError"),
        ('{"gsd": 1}', "does not locate the object: KeyError"),
        ('{"bounding_boxes": 3}', "does not locate the object: TypeError"),
        ('{"bounding_boxes": []}', "has no box of the category 'zoo'"),
        ('{"bounding_boxes": [{"category": "zoo", "box": [1, 2, 3]}]}', "is not \\[left, top, width, height\\]"),
        ('{"bounding_boxes": [{"category": "zoo", "box": [1, 2, NaN, 3]}]}', "is not \\[left, top, width, height\\]"),
        ('{"bounding_boxes": [{"category": "zoo", "box": [90, 2, 3, 3]}]}', "lies outside the image of 20x20 pixels"),
    ],
)
def test_an_image_without_its_box_is_unreadable(root: Path, text: str | None, reason: str) -> None:
    path = root / "val" / "zoo" / "zoo_0" / "zoo_0_0_rgb.jpg"
    if text is None:
        path.with_suffix(".json").unlink()
    else:
        path.with_suffix(".json").write_text(text)
    found = open_fmow(root).test[1]
    assert isinstance(found, Unreadable)
    assert found.path == str(path)
    with pytest.raises(ReorderKitError, match=reason):
        raise ReorderKitError(found.reason)
    assert isinstance(open_fmow(root, crop="image").test[1], Sample)


def test_a_truncated_image_is_unreadable(root: Path) -> None:
    path = root / "val" / "zoo" / "zoo_0" / "zoo_0_0_rgb.jpg"
    path.write_bytes(path.read_bytes()[:200])
    assert isinstance(open_fmow(root).test[1], Unreadable)


def test_bands_say_which_images_are_read(root: Path) -> None:
    for path in list(root.rglob("*_0_rgb.*")):
        path.with_name(path.name.replace("_rgb", "_msrgb")).write_bytes(path.read_bytes())
    assert len(open_fmow(root).test) == 2
    splits = open_fmow(root, bands="msrgb")
    assert len(splits.train) + len(splits.validation) == 20
    assert len(samples(splits.test)) == 2


def test_images_of_no_such_bands_are_refused(root: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.bands: .*train has no image whose name ends with _msrgb\.jpg"):
        open_fmow(root, bands="msrgb")


@pytest.mark.parametrize("split", ["train", "val"])
def test_both_folders_are_needed(root: Path, split: str) -> None:
    (root / split).rename(root / "elsewhere")
    with pytest.raises(ReorderKitError, match=rf"data\.root: the folder .*{split} does not exist"):
        open_fmow(root)


def test_a_class_that_only_val_has_is_a_class(root: Path) -> None:
    add_image(root, "val", "false_detection", 0, 0)
    splits = open_fmow(root)
    assert splits.classes == ["airport", "false_detection", "zoo"]
    assert [sample.target for sample in samples(splits.test)] == [0, 1, 2]
    assert {sample.target for sample in samples(splits.train)} == {0, 2}
    (finding,) = splits.findings
    assert (finding.count, finding.example) == (1, "false_detection")


def test_an_empty_class_folder_of_train_is_refused(root: Path) -> None:
    (root / "train" / "dam").mkdir()
    with pytest.raises(ReorderKitError, match="the class 'dam' has no image"):
        open_fmow(root)


def test_large_images_are_read_up_to_a_limit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow would refuse 20x20 pixels, which are more than twice as many.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert len(samples(open_fmow(root).test)) == 2
    assert Image.MAX_IMAGE_PIXELS == 100
    assert len(samples(open_fmow(root, most_pixels=400).test)) == 2
    with pytest.raises(ReorderKitError, match=r"airport_0_0_rgb\.jpg.*20x20 pixels exceed the 399"):
        open_fmow(root, most_pixels=399)


@pytest.mark.parametrize("name", ["image.png", "image.tif"])
def test_a_large_compressed_image_is_decoded(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"compression": "tiff_deflate"} if name.endswith(".tif") else {}
    Image.new("L", (20, 20), 7).save(tmp_path / name, **options)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # which a compressed TIFF is measured by twice
    picture = read_image(str(tmp_path / name), Decoding(channels=1))
    assert not isinstance(picture, Unreadable)
    assert picture.pixels.unique().tolist() == [7]
    assert Image.MAX_IMAGE_PIXELS == 100
