"""Data sets of Hugging Face: columns and splits."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hf_tables import CAT_OR_DOG, content, datasets, encoded, grey, open_saved, save, table
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    BOXES,
    IGNORED,
    MASK,
    MULTI_LABEL,
    TargetKind,
    Unreadable,
)


def test_a_class_label_names_the_classes(tmp_path: Path) -> None:
    save(
        tmp_path / "saved",
        train=table({"label": [1, 0, 1]}, label=CAT_OR_DOG),
        validation=table({"label": [0]}, label=CAT_OR_DOG),
        test=table({"label": [0, 1]}, label=CAT_OR_DOG),
    )
    splits = open_saved(tmp_path / "saved")
    assert list(splits.classes) == ["dog", "cat"]
    assert content(splits.train) == [(1, 1), (2, 0), (3, 1)]
    assert content(splits.validation) == [(1, 0)]
    assert content(splits.test) == [(1, 0), (2, 1)]


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        (["sea", "land", "sea"], ["land", "sea"], [1, 0, 1]),
        # Sorted as numbers, and without a class for those that are nowhere.
        ([10, 9, 10], ["9", "10"], [1, 0, 1]),
        ([True, False, True], ["False", "True"], [1, 0, 1]),
    ],
)
def test_other_columns_give_the_classes_they_have(
    tmp_path: Path, labels: list[Any], classes: list[str], numbers: list[int]
) -> None:
    split = table({"kind": labels})
    save(tmp_path / "saved", train=split, validation=split, test=split)
    splits = open_saved(tmp_path / "saved", target_column="kind")
    assert list(splits.classes) == classes
    assert [target for _, target in content(splits.train)] == numbers


def test_classes_that_are_given_are_called_by_place_or_name(tmp_path: Path) -> None:
    for name, labels in (("places", [2, 0]), ("names", ["c", "a"])):
        split = table({"label": labels})
        save(tmp_path / name, train=split, validation=split, test=split)
        splits = open_saved(tmp_path / name, classes=("a", "b", "c"))
        assert list(splits.classes) == ["a", "b", "c"]
        assert [target for _, target in content(splits.train)] == [2, 0]


@pytest.mark.parametrize("feature", [datasets.ClassLabel(names=["a", "b", "c"]), datasets.Value("string")])
def test_lists_of_classes_are_labels(tmp_path: Path, feature: Any) -> None:
    lists: list[list[Any] | None] = [["c"], [], ["c", "a", "b"], None]
    split = table({"labels": lists}, labels=datasets.Sequence(feature))
    splits = open_saved(save(tmp_path / "saved", train=split, validation=split, test=split), MULTI_LABEL)
    assert list(splits.classes) == ["a", "b", "c"]
    targets = torch.stack([target for _, target in content(splits.train)])
    assert targets.tolist() == [[0, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]]


NUMBERS = {"xywh": [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 8.0, 8.0]], "xyxy": [[1.0, 2.0, 4.0, 6.0], [0.0, 0.0, 8.0, 8.0]]}


@pytest.mark.parametrize("box_format", ["xywh", "xyxy"])
@pytest.mark.parametrize("layout", ["dictionary of lists", "list of dictionaries"])
def test_objects_are_boxes(tmp_path: Path, box_format: str, layout: str) -> None:
    boxes = NUMBERS[box_format]
    if layout == "dictionary of lists":
        objects: list[Any] = [
            {"bbox": boxes, "category": ["fish", "eel"], "iscrowd": [0, 1]},
            {"bbox": [], "category": [], "iscrowd": []},
        ]
    else:
        objects = [
            [
                {"bbox": boxes[0], "category": "fish", "iscrowd": 0},
                {"bbox": boxes[1], "category": "eel", "iscrowd": 1},
            ],
            [],
        ]
    split = table({"objects": objects})
    save(tmp_path / "saved", train=split, validation=split, test=split)
    splits = open_saved(tmp_path / "saved", BOXES, box_format=box_format, image_size=16)
    assert list(splits.classes) == ["eel", "fish"]
    (_, first), (_, second) = content(splits.train)
    assert first.boxes.tolist() == [[2, 4, 8, 12], [0, 0, 16, 16]]
    assert first.classes.tolist() == [1, 0]
    assert first.crowd.tolist() == [False, True]
    assert len(second) == 0


def test_categories_may_be_class_labels(tmp_path: Path) -> None:
    features = {"bbox": datasets.Sequence(datasets.Sequence(datasets.Value("float32"))), "category": [CAT_OR_DOG]}
    split = table({"objects": [{"bbox": [[0, 0, 2, 2]], "category": [1]}]}, objects=features)
    splits = open_saved(save(tmp_path / "saved", train=split, validation=split, test=split), BOXES)
    assert list(splits.classes) == ["dog", "cat"]
    assert content(splits.train)[0][1].classes.tolist() == [1]


def mask_split(values: list[list[int]]) -> Any:
    return table({"mask": [encoded(np.array(values, dtype=np.uint8))]}, images=[grey(1, (2, 3))], mask=datasets.Image())


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([[0, 1, 1], [255, 0, 1]], {"classes": ("sky", "ship")}),
        ([[0, 255, 255], [7, 0, 255]], {"mask_values": (0, 255), "ignored_values": (7,)}),
    ],
)
def test_images_are_masks(tmp_path: Path, values: list[list[int]], options: dict[str, Any]) -> None:
    split = mask_split(values)
    save(tmp_path / "saved", train=split, validation=split, test=split)
    splits = open_saved(tmp_path / "saved", MASK, image_size=(2, 3), **options)
    assert list(splits.classes) == list(options.get("classes", ("0", "255")))
    assert content(splits.train)[0][1].tolist() == [[0, 1, 1], [IGNORED, 0, 1]]


def test_a_mask_of_another_size_or_value_is_unreadable(tmp_path: Path) -> None:
    good = mask_split([[0, 1, 0], [0, 0, 0]])
    stray = mask_split([[0, 1, 9], [0, 0, 0]])
    small = table({"mask": [encoded(np.ones((2, 2), np.uint8))]}, images=[grey(1, (2, 3))], mask=datasets.Image())
    save(tmp_path / "saved", train=good, validation=stray, test=small)
    splits = open_saved(tmp_path / "saved", MASK, classes=("sky", "ship"))
    for sample, words in ((splits.validation[0], "value 9"), (splits.test[0], "the mask has 2x2 pixels")):
        assert isinstance(sample, Unreadable)
        assert words in sample.reason


def test_a_single_split_is_divided_with_the_same_share_of_every_class(tmp_path: Path) -> None:
    table({"label": [0] * 20 + [1] * 10}, label=CAT_OR_DOG).save_to_disk(tmp_path / "saved")
    splits = open_saved(tmp_path / "saved", test_fraction=0.2, validation_fraction=0.25)
    parts = [content(part) for part in (splits.train, splits.validation, splits.test)]
    assert [[label for _, label in part].count(0) for part in parts] == [12, 4, 4]
    assert [[label for _, label in part].count(1) for part in parts] == [6, 2, 2]
    # Colors identify images, so every image is in one split, with its own class.
    together = sorted(colour for part in parts for colour, _ in part)
    assert together == list(range(1, 31))
    assert all(label == (colour > 20) for part in parts for colour, label in part)


def lists_of(objects: list[list[str]]) -> list[Any]:
    return [{"bbox": [[0.0, 0.0, 2.0, 2.0]] * len(names), "category": names} for names in objects]


def dictionaries_of(objects: list[list[str]]) -> list[Any]:
    return [[{"bbox": [0.0, 0.0, 2.0, 2.0], "category": name} for name in names] for names in objects]


@pytest.mark.parametrize(
    ("kind", "made"),
    [(MULTI_LABEL, list), (BOXES, lists_of), (BOXES, dictionaries_of)],
    ids=["labels", "lists", "dictionaries"],
)
def test_no_class_loses_its_last_training_image(tmp_path: Path, kind: TargetKind, made: Any) -> None:
    # Eels are in two images; drawn without regard to them, both would be set aside for one of four seeds.
    present = [["fish"], [], ["eel", "fish"], ["fish"], ["fish", "eel"], ["fish"], [], ["fish"]]
    table({"targets": made(present)}).save_to_disk(tmp_path / "saved")
    given = {"target_column": "targets", "test_fraction": 0.5, "validation_fraction": 0.3}
    for seed in range(12):
        splits = open_saved(tmp_path / "saved", kind, split_seed=seed, **given)
        targets = [target for _, target in content(splits.train)]
        found = [
            target.classes.tolist() if kind == BOXES else target.nonzero().flatten().tolist() for target in targets
        ]
        assert {number for numbers in found for number in numbers} == {0, 1}


def test_validation_without_a_test_is_the_test(tmp_path: Path) -> None:
    save(
        tmp_path / "saved",
        train=table({"label": [0, 1] * 5}, label=CAT_OR_DOG),
        val=table({"label": [1]}, label=CAT_OR_DOG),
    )
    splits = open_saved(tmp_path / "saved")
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (9, 1, 1)
    assert content(splits.test) == [(1, 1)]
    chosen = open_saved(tmp_path / "saved", validation="val")
    assert content(chosen.validation) == [(1, 1)]
    assert (len(chosen.train), len(chosen.test)) == (8, 2)


def test_images_without_a_class_in_the_test_split_are_refused_and_another_can_be_named(tmp_path: Path) -> None:
    save(
        tmp_path / "saved",
        train=table({"label": [0, 1] * 5}, label=CAT_OR_DOG),
        validation=table({"label": [0, 1]}, label=CAT_OR_DOG),
        test=table({"label": [-1]}, label=CAT_OR_DOG),
    )
    with pytest.raises(ReorderKitError, match=r"split test has the class -1.*\n.*data.test=validation"):
        open_saved(tmp_path / "saved")
    splits = open_saved(tmp_path / "saved", test="validation")
    assert content(splits.test) == [(1, 0), (2, 1)]
    assert (len(splits.train), len(splits.validation)) == (9, 1)


def test_rows_stay_in_their_files_until_they_are_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    split = table({"label": [0, 1] * 10}, images=[encoded(pixels) for pixels in noise], label=CAT_OR_DOG)
    save(tmp_path / "saved", train=split, validation=split, test=split)
    splits = open_saved(tmp_path / "saved", image_size=64)
    sent = pickle.dumps(splits.train)
    assert len(sent) < noise.nbytes / 20
    image, target, *_ = pickle.loads(sent)[3]
    assert torch.equal(image.round(), torch.from_numpy(noise[3]).permute(2, 0, 1).float())
    assert target == 1


def test_a_folder_of_parquet_files_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "data").mkdir()
    for name, labels in (("train", [0, 1, 0, 1]), ("validation", [1]), ("test", [0])):
        table({"label": labels}, label=CAT_OR_DOG).to_parquet(tmp_path / "data" / f"{name}-00000-of-00001.parquet")
    splits = open_saved(tmp_path / "data")
    assert list(splits.classes) == ["dog", "cat"]
    assert content(splits.train) == [(1, 0), (2, 1), (3, 0), (4, 1)]
    assert content(splits.validation) == [(1, 1)]
