"""Tables as spreadsheets, pandas and other libraries write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from input_folders import all_names, found, plain, save_image
from reorder_kit.data_sources.multi_label_csv import MultiLabelCsv
from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, Sample

HEAD = "path,split,cat,dog"
ROWS = ["0.png,train,1,0", "1.png,train,0,1", "2.png,val,1,1", "3.png,test,1,0"]


def open_table(root: Path, head: str, rows: Sequence[str]) -> DataSplits:
    for value in range(12):
        save_image(root / f"{value}.png", value)
    (root / "labels.csv").write_text("\r\n".join([head, *rows]) + "\r\n")
    return plain(MultiLabelCsv, root).open(seed=0)


def labels(splits: DataSplits) -> list[list[float]]:
    samples = [split[index] for split in (splits.train, splits.validation, splits.test) for index in range(len(split))]
    return [sample.target.tolist() for sample in samples if isinstance(sample, Sample)]


EXPECTED = [[1, 0], [0, 1], [1, 1], [1, 0]]


def test_the_plain_table(tmp_path: Path) -> None:
    splits = open_table(tmp_path, HEAD, ROWS)
    assert labels(splits) == EXPECTED
    assert splits.findings == ()


@pytest.mark.parametrize(
    ("no", "yes"), [("FALSE", "TRUE"), ("false", "true"), ("False", "True"), ("0.0", "1.0"), (" 0", " 1 ")]
)
def test_yes_and_no_are_written_in_several_ways(tmp_path: Path, no: str, yes: str) -> None:
    rows = []
    for row in ROWS:
        path, split, *values = row.split(",")
        rows.append(",".join([path, split, *(yes if value == "1" else no for value in values)]))
    assert labels(open_table(tmp_path, HEAD, rows)) == EXPECTED


def test_a_space_after_the_comma_is_no_part_of_a_value(tmp_path: Path) -> None:
    rows = [row.replace(",", ", ").replace("0.png", '"0.png"') for row in ROWS]
    splits = open_table(tmp_path, 'path, split, "cat", "dog, tame"', rows)
    assert list(splits.classes) == ["cat", "dog, tame"]
    assert labels(splits) == EXPECTED


def test_rows_of_commas_are_empty(tmp_path: Path) -> None:
    assert labels(open_table(tmp_path, HEAD, [*ROWS, ",,,", ", , ,", ""])) == EXPECTED


def test_empty_columns_at_the_end_are_none(tmp_path: Path) -> None:
    splits = open_table(tmp_path, f"{HEAD},,", [f"{row},," for row in ROWS])
    assert list(splits.classes) == ["cat", "dog"]
    assert labels(splits) == EXPECTED


def test_a_value_in_a_column_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match="line 2: 5 values for 4 columns"):
        open_table(tmp_path, f"{HEAD},", [f"{row},1" for row in ROWS])


def test_an_empty_value_in_the_last_column_is_no_empty_column(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match="line 3: column 'dog' has ''"):
        open_table(tmp_path, HEAD, [ROWS[0], "1.png,train,0,", *ROWS[2:]])


@pytest.mark.parametrize("name", ["Path", "PATH"])
def test_path_and_split_may_have_large_letters(tmp_path: Path, name: str) -> None:
    assert labels(open_table(tmp_path, f"{name},Split,cat,dog", ROWS)) == EXPECTED


@pytest.mark.parametrize(
    "name", ["is_valid", "is_test", "Is_Train", "is_val", "fold", "valid", "subset", "partition", "kfold"]
)
def test_a_column_that_looks_like_a_split_is_no_class(tmp_path: Path, name: str) -> None:
    rows = [f"{value}.png,{value % 2},{value // 2 % 2},{value % 3 % 2}" for value in range(12)]
    with pytest.raises(ReorderKitError, match=f"column '{name}', which looks like a split") as caught:
        open_table(tmp_path, f"path,{name},cat,dog", rows)
    assert "column 'split' (train, val or test)" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["id", "index", "filename", "image_id", "File_Name", "image"])
def test_a_column_that_looks_like_a_name_is_no_class(tmp_path: Path, name: str) -> None:
    """Even where all its values are 0 and 1."""
    rows = [f"{value}.png,{value % 2},{value // 2 % 2},{value % 3 % 2}" for value in range(12)]
    with pytest.raises(ReorderKitError, match=f"column '{name}', which looks like the name of an image"):
        open_table(tmp_path, f"path,{name},cat,dog", rows)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "Unnamed: 0.1"])
@pytest.mark.parametrize("numbers", [(0, 1, 2, 3), (1, 2, 3, 4), (17, 5, 301, 40)], ids=str)
def test_a_column_that_numbers_the_rows_is_left_out_and_counted(
    tmp_path: Path, name: str, numbers: Sequence[int]
) -> None:
    rows = [f"{number},{row}" for number, row in zip(numbers, ROWS, strict=True)]
    splits = open_table(tmp_path, f"{name},{HEAD}", rows)
    assert list(splits.classes) == ["cat", "dog"]
    assert labels(splits) == EXPECTED
    assert found(splits) == {"columns of row numbers are left out": (1, name or "column 1")}


@pytest.mark.parametrize(
    ("name", "said"), [("Unnamed: 0", "looks like the name of an image"), ("", "has no name for column 1")]
)
def test_a_column_without_a_name_that_numbers_nothing_is_refused(tmp_path: Path, name: str, said: str) -> None:
    rows = [f"{value % 2},{row}" for value, row in enumerate(ROWS)]
    with pytest.raises(ReorderKitError, match=said):
        open_table(tmp_path, f"{name},{HEAD}", rows)


def test_classes_may_be_called_train(tmp_path: Path) -> None:
    """There is one in COCO and in VOC: it runs on rails."""
    splits = open_table(tmp_path, "path,split,train,bus", ROWS)
    assert list(splits.classes) == ["train", "bus"]


def test_an_index_of_masks_is_read_in_the_same_way(tmp_path: Path) -> None:
    from input_folders import FOLDERS

    folders = FOLDERS["segmentation-folder"]
    folders.fill(tmp_path, "", range(4))
    lines = ["name, split,", '0.PNG, "Train",', "1,training,", "2,Valid,", "3,TEST,", ",,"]
    (tmp_path / "index.csv").write_text("\r\n".join(lines))
    options = {"classes": ("sea", "ship"), "index": "index.csv"}
    splits = plain(SegmentationFolder, tmp_path, **options).open(seed=0)
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [2, 1, 1]
    assert splits.findings == ()


def test_images_that_an_index_does_not_name_are_counted(tmp_path: Path) -> None:
    from input_folders import FOLDERS

    folders = FOLDERS["segmentation-folder"]
    folders.fill(tmp_path, "", range(6))
    (tmp_path / "masks" / "5.png").unlink()
    (tmp_path / "index.csv").write_text("name,split\n0,train\n1,train\n2,val\n3,test\n5,test\n")
    options = {"classes": ("sea", "ship"), "index": "index.csv", "unmasked_images": "skip"}
    splits = plain(SegmentationFolder, tmp_path, **options).open(seed=0)
    assert len(all_names(splits)) == 4
    assert found(splits) == {
        "images without a mask are left out": (1, "images/5.png"),
        "lines of the index without an image and mask are left out": (1, "5"),
        "images that are not in the index are left out": (1, "4"),
    }


def test_the_table_of_imagenet_is_read_in_the_same_way(tmp_path: Path) -> None:
    from input_folders import FOLDERS

    folders = FOLDERS["imagenet"]
    folders.fill(tmp_path, "train", range(12))
    for value in range(2):
        save_image(tmp_path / "val" / f"{value}.JPEG", 50 + value)
    (tmp_path / "LOC_val_solution.csv").write_text(
        "ImageId, PredictionString,\r\n0, cat 1 2 3 4,\r\n1, dog 1 2 3 4,\r\n,,\r\n"
    )
    assert len(folders.open(tmp_path).test) == 2
