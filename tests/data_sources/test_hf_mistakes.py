"""Hugging Face data sets: errors in images, boxes, columns and options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pydantic
import pytest

from hf_tables import CAT_OR_DOG, content, datasets, grey, open_saved, save, table
from reorder_kit.data_sources.hf import HuggingFace
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    BOXES,
    CLASS,
    MASK,
    MULTI_LABEL,
    DataSplits,
    Finding,
    TargetKind,
    Unreadable,
)


def test_what_cannot_be_read_is_unreadable_and_named(tmp_path: Path) -> None:
    images = [grey(5), {"bytes": grey(5)["bytes"][:40], "path": None}, grey(5), None]
    split = table({"label": ["a", "b", None, "a"]}, images=images)
    save(tmp_path / "saved", train=split, validation=split, test=split)
    splits = open_saved(tmp_path / "saved")
    read = [splits.train[index] for index in range(4)]
    assert not isinstance(read[0], Unreadable)
    for number, words in ((1, "Error"), (2, "there is no class"), (3, "there is no image")):
        sample = read[number]
        assert isinstance(sample, Unreadable)
        assert sample.path == f"{tmp_path / 'saved'}, split train, row {number}"
        assert words in sample.reason


SOUND, OTHER = [1.0, 1.0, 2.0, 2.0], [0.0, 2.0, 4.0, 4.0]


def open_boxes(folder: Path, *boxes: list[list[float]]) -> DataSplits:
    """Images with these boxes, all of class 0, in every split."""
    split = table({"objects": [{"bbox": of_image, "category": [0] * len(of_image)} for of_image in boxes]})
    save(folder, train=split, validation=split, test=split)
    return open_saved(folder, BOXES, box_format="xyxy")


@pytest.mark.parametrize(
    "broken",
    [
        [5.0, 5.0, 2.0, 2.0],
        [1.0, 1.0, 1.0, 2.0],
        [1.0, 1.0, 2.0],
        [],
        [1.0, 1.0, 2.0, float("nan")],
        [1.0, 1.0, float("inf"), 2.0],
        [float("inf"), 1.0, float("inf"), 2.0],
    ],
    ids=str,
)
def test_a_box_that_is_none_is_left_out_and_the_others_are_not(tmp_path: Path, broken: list[float]) -> None:
    splits = open_boxes(tmp_path / "saved", [SOUND], [SOUND, broken, OTHER])
    assert [target.boxes.tolist() for _, target in content(splits.train)] == [[SOUND], [SOUND, OTHER]]
    example = f"{tmp_path / 'saved'}, split train, row 1"
    assert splits.findings == (Finding("boxes without width or height are left out", 3, example),)


def test_boxes_that_are_mostly_none_are_of_another_format(tmp_path: Path) -> None:
    boxes = [[[5.0, 5.0, 2.0, 2.0], SOUND, [7.0, 6.0, 1.0, 1.0]]] + [[[5.0, 5.0, 2.0, 2.0]]] * 4
    with pytest.raises(
        ReorderKitError, match=r"data\.box_format: read as xyxy, 6 of 7 boxes of the train split"
    ) as error:
        open_boxes(tmp_path / "saved", *boxes)
    assert "row 0, " in str(error.value)
    assert "row 2 and 2 more" in str(error.value)


def test_boxes_without_their_classes_make_an_image_unreadable(tmp_path: Path) -> None:
    split = table({"objects": [{"bbox": [SOUND], "category": [0]}, {"bbox": [SOUND], "category": []}]})
    save(tmp_path / "saved", train=split, validation=split, test=split)
    sample = open_saved(tmp_path / "saved", BOXES).train[1]
    assert isinstance(sample, Unreadable)
    assert "1 boxes have 0 classes" in sample.reason


def test_errors_name_the_field_and_what_there_is(tmp_path: Path) -> None:
    split = table({"label": [0, 1] * 5, "labels": [["a"]] * 10}, label=CAT_OR_DOG)
    folder = save(tmp_path / "saved", train=split, rest=split)

    def refused(kind: TargetKind = CLASS, place: Path = folder, **options: Any) -> str:
        with pytest.raises(ReorderKitError) as error:
            open_saved(place, kind, **options)
        return str(error.value)

    assert "data.image_column" in refused(image_column="picture")
    assert "its columns: image, label, labels" in refused(image_column="picture")
    assert "has no column 'mask'" in refused(MASK, classes=("a",))
    assert "must hold images, but holds" in refused(image_column="label")
    assert "must hold boxes targets, but holds" in refused(BOXES, target_column="labels")
    assert "must hold class targets, but holds" in refused(target_column="labels")
    assert "must hold class targets, but holds" in refused(target_column="image")
    assert "data.test: " in refused(test="validation")
    assert "its splits: train, rest" in refused(test="validation")
    assert "data.config: it does not apply to a local folder" in refused(config="full")
    assert f"the folder {tmp_path / 'none'} does not exist" in refused(place=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "data.dataset: cannot open" in refused(place=tmp_path / "empty")
    assert "data.classes: masks do not say" in refused(MASK, target_column="image")
    assert "classes differ" in refused(classes=("a",))
    nothing = save(
        tmp_path / "nothing", train=table({"names": [[], []]}, names=datasets.Sequence(datasets.Value("string")))
    )
    said = refused(MULTI_LABEL, nothing, target_column="names")
    assert said.startswith("data.target_column: the training images have no readable classes")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ReorderKitError, match=r"pip install 'reorder-kit\[hf\]'"):
        open_saved(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"test": "train"}, "different splits"),
        ({"test": "test", "test_fraction": 0.3}, "test_fraction does nothing"),
        ({"classes": ("a", "a")}, "has a duplicate"),
        ({"classes": ("a",), "mask_values": (0, 1)}, "2 values for 1 classes"),
        ({"mask_values": (0, 1), "ignored_values": (1,)}, "ignored_values has 1"),
    ],
)
def test_mistakes_that_show_without_data_are_those_of_the_recipe(options: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        HuggingFace.Options(dataset=Path("user/name"), **options)


def test_categories_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    split = table({"objects": [{"bbox": [[1.0, 1.0, 2.0, 2.0]], "category": [0.5]}] * 4})
    save(tmp_path / "set", train=split)
    with pytest.raises(ReorderKitError, match=r"data\.target_column: .*row 0: .*not 0\.5"):
        open_saved(tmp_path / "set", BOXES)
