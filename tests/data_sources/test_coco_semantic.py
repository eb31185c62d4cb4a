"""The semantic masks of COCO, as a case of the folders of images and masks."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, Sample

COCO = Path(__file__).parents[3] / "shared" / "data" / "coco-open"
OPTIONS: dict[str, Any] = {
    "masks": "semantic",
    "class_table": "semantic_classes.csv",
    "ignored_values": (0,),
    "unmasked_images": "skip",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images with a mask, and two without; ids have gaps and are not in order."""
    for name in ("images", "semantic"):
        (tmp_path / name).mkdir()
    for number in range(6):
        Image.fromarray(np.full((2, 4), number, dtype=np.uint8)).save(tmp_path / "images" / f"{number}.jpg")
        if number < 4:
            mask = np.array([[0, 1, 13, 200]] * 2, dtype=np.uint8)
            Image.fromarray(mask).save(tmp_path / "semantic" / f"{number}.png")
    write_table(tmp_path, "0,unlabeled", "13,stop sign", "1,person", "200,rug-merged")
    return tmp_path


def write_table(folder: Path, *rows: str) -> None:
    (folder / "semantic_classes.csv").write_text("\n".join(["id,name", *rows]))


def make(folder: Path, **given: Any) -> SegmentationFolder:
    return SegmentationFolder(
        SegmentationFolder.Options(
            root=folder, image_size=(2, 4), validation_fraction=0.3, train_transforms=[], **{**OPTIONS, **given}
        )
    )


def test_classes_are_in_the_sequence_of_their_ids_and_0_is_ignored(folder: Path) -> None:
    splits = make(folder).open(0)
    assert list(splits.classes) == ["person", "stop sign", "rug-merged"]
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == 4
    sample = splits.test[0]
    assert isinstance(sample, Sample)
    assert sample.target.tolist() == [[IGNORED, 0, 1, 2]] * 2


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["one,person"], r"data.class_table: .*semantic_classes.csv, line 2: the id must be a whole number"),
        (["1,person", "65536,dog"], "line 3: the id must be a whole number from 0 to 65535, not '65536'"),
        (["1,person", "1,dog"], "line 3: the id 1 already has an earlier line"),
        (["1,person", "2,person"], "semantic_classes.csv: two classes are named 'person'"),
        (["0,unlabeled", "1,person"], "2 to 255 classes, not 1"),
    ],
)
def test_mistakes_in_a_table_are_named(folder: Path, rows: list[str], reason: str) -> None:
    write_table(folder, *rows)
    with pytest.raises(ReorderKitError, match=reason):
        make(folder).open(0)


def test_a_missing_table_is_named(folder: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data.class_table: .*names.csv cannot be read: No such file"):
        make(folder, class_table="names.csv").open(0)


def test_real_masks_open() -> None:
    if not COCO.exists():
        pytest.skip("shared/data/coco-open, which holds real masks, is not beside the repository")
    given = SegmentationFolder.Options(root=COCO, image_size=224, train_transforms=[], **OPTIONS)
    splits = SegmentationFolder(given).open(0)
    with (COCO / "semantic_classes.csv").open(newline="") as file:
        names = {int(row["id"]): row["name"] for row in csv.DictReader(file)}
    assert list(splits.classes) == [names[number] for number in sorted(names) if number]
    every = [split[index] for split in (splits.train, splits.validation, splits.test) for index in range(len(split))]
    assert len(every) == 27
    # What the files hold, by name, is what the samples hold; of small areas some are lost on the way to 224 pixels.
    found, expected = set(), set()
    for sample in every:
        assert isinstance(sample, Sample), sample
        found |= {splits.classes[number] for number in sample.target.unique().tolist() if number != IGNORED}
    for path in (COCO / "semantic").glob("*.png"):
        values, counts = np.unique(np.asarray(Image.open(path)), return_counts=True)
        expected |= {names[int(value)] for value, count in zip(values, counts, strict=True) if value and count > 500}
    assert expected <= found <= set(names.values())
