"""Tables of segmentation-folder as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits

SPLITS = ("train", "train", "val", "test")
ABOVE = "names in the index start above the image folder"


def fill(root: Path, folder: str = "images") -> None:
    for number in range(4):
        for place, values in ((folder, (40 * number, 9)), ("masks", (0, 1))):
            (root / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.array([values] * 2, dtype=np.uint8)).save(root / place / f"{number}.png")


def open_folder(root: Path, **options: Any) -> DataSplits:
    given = {"root": root, "classes": ("sea", "ship"), "image_size": 8, "train_transforms": (), **options}
    return SegmentationFolder(SegmentationFolder.Options(**given)).open(0)


def sizes(splits: DataSplits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.validation), len(splits.test)


@pytest.mark.parametrize("heading", ["name,split", "Name,Split", "NAME,SPLIT,comment", "id,Split,Name"])
def test_headings_in_any_letter_case(heading: str, tmp_path: Path) -> None:
    fill(tmp_path)
    columns = heading.lower().split(",")
    rows = [
        ",".join({"name": f"{number}.png", "split": split}.get(column, "x") for column in columns)
        for number, split in enumerate(SPLITS)
    ]
    (tmp_path / "index.csv").write_text("\n".join([heading, *rows]))
    assert sizes(open_folder(tmp_path, index="index.csv")) == (2, 1, 1)


def test_a_heading_that_could_be_two_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "index.csv").write_text("Name,NAME,split\n0,1,train\n")
    with pytest.raises(ReorderKitError, match=r"has no column 'name'") as error:
        open_folder(tmp_path, index="index.csv")
    assert "'Name', 'NAME', 'split'" in str(error.value.hint)


def test_an_exact_heading_comes_first(tmp_path: Path) -> None:
    fill(tmp_path)
    rows = [f"x,{number},{split}" for number, split in enumerate(SPLITS)]
    (tmp_path / "index.csv").write_text("\n".join(["Name,name,split", *rows]))
    assert sizes(open_folder(tmp_path, index="index.csv")) == (2, 1, 1)


@pytest.mark.parametrize("rows", ["ID,Name\n0,sea\n1,ship\n", "Id,NAME\n1.0,ship\n0.0,sea\n"])
def test_a_table_of_classes_as_spreadsheets_write_it(rows: str, tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "classes.csv").write_text(rows)
    given = {"validation_fraction": 0.3, "test_fraction": 0.3, "class_table": "classes.csv"}
    splits = open_folder(tmp_path, classes=None, **given)
    assert list(splits.classes) == ["sea", "ship"]


@pytest.mark.parametrize("number", ["1.5", "-1", "65536", "", "1e2", "9" * 5000], ids=lambda text: text[:9])
def test_an_id_that_no_pixel_has_is_refused(number: str, tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "classes.csv").write_text(f"id,name\n0,sea\n{number},ship\n")
    with pytest.raises(ReorderKitError, match=r"line 3: the id must be a whole number from 0 to 65535, not "):
        open_folder(tmp_path, classes=None, class_table="classes.csv")


@pytest.mark.parametrize(
    ("written", "images"),
    [
        ("images/{}.png", "images"),
        ("./images/{}.png", "images"),
        ("images\\{}.png", "images"),
        ("images/{}", "images"),
        ("{root}/images/{}.png", "images"),
        ("raw/images/{}.png", "raw/images"),
    ],
)
def test_names_that_start_above_the_images(written: str, images: str, tmp_path: Path) -> None:
    fill(tmp_path, images)
    rows = [f"{written.format(number, root=tmp_path)},{split}" for number, split in enumerate(SPLITS)]
    (tmp_path / "index.csv").write_text("\n".join(["name,split", *rows]))
    splits = open_folder(tmp_path, index="index.csv", images=images)
    assert sizes(splits) == (2, 1, 1)
    assert [(finding.what, finding.count) for finding in splits.findings] == [(ABOVE, 4)]


def test_a_folder_of_the_same_name_among_the_images_comes_first(tmp_path: Path) -> None:
    fill(tmp_path)
    for place in ("images", "masks"):
        (tmp_path / place / "images").mkdir()
        (tmp_path / place / "0.png").rename(tmp_path / place / "images" / "0.png")
    rows = [f"images/{number}.png,{split}" for number, split in enumerate(SPLITS)]
    (tmp_path / "index.csv").write_text("\n".join(["name,split", *rows]))
    splits = open_folder(tmp_path, index="index.csv")
    assert sizes(splits) == (2, 1, 1)
    assert [finding.count for finding in splits.findings] == [3]


def test_two_names_of_one_image_are_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "index.csv").write_text("name,split\nimages/0.png,train\n0.png,test\n")
    with pytest.raises(ReorderKitError, match=r"'images/0' and '0' are the same image"):
        open_folder(tmp_path, index="index.csv")


def test_a_name_that_is_no_image_is_refused_with_the_cause(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "index.csv").write_text("name,split\nphotos/0.png,train\n")
    with pytest.raises(ReorderKitError, match=r"lists 'photos/0', which is not an image") as error:
        open_folder(tmp_path, index="index.csv")
    assert "relative to data.images" in str(error.value.hint)
