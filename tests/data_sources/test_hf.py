"""Data sets of Hugging Face: columns, splits, and what can be wrong with them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from PIL import Image

from reorder_kit.data_sources.hf import HuggingFace
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    BOXES,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    DataSplits,
    SampleSet,
    TargetKind,
    Unreadable,
)

datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")


def encoded(pixels: np.ndarray) -> dict[str, Any]:
    Image.fromarray(pixels).save(file := BytesIO(), "PNG")
    return {"bytes": file.getvalue(), "path": None}


def grey(value: int, size: tuple[int, int] = (8, 8)) -> dict[str, Any]:
    """One plain colour, by which the tests know the image again."""
    return encoded(np.full((*size, 3), value, dtype=np.uint8))


def table(columns: dict[str, Any], images: Sequence[Any] | None = None, **features: Any) -> Any:
    """A split whose images have the colours 1, 2, ..."""
    count = len(next(iter(columns.values())))
    images = [grey(number + 1) for number in range(count)] if images is None else images
    made = datasets.Dataset.from_dict({"image": images, **columns})
    for name, feature in {"image": datasets.Image(), **features}.items():
        made = made.cast_column(name, feature)
    return made


def save(folder: Path, **splits: Any) -> Path:
    datasets.DatasetDict(splits).save_to_disk(folder)
    return folder


def open_saved(folder: Path, kind: TargetKind = CLASS, **options: Any) -> DataSplits:
    plain = {"image_size": 8, "train_transforms": [], "mean": (0,) * 3, "std": (1 / 255,) * 3}
    return HuggingFace(HuggingFace.Options(dataset=folder, **{**plain, **options}), kind).open(seed=0)


def content(samples: SampleSet) -> list[tuple[int, Any]]:
    """(colour, target) of every image."""
    return [
        (round(image[0, 0, 0].item()), target) for image, target, _ in map(samples.__getitem__, range(len(samples)))
    ]


CAT_OR_DOG = datasets.ClassLabel(names=["dog", "cat"])


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
    small = table({"mask": [encoded(np.zeros((2, 2), np.uint8))]}, images=[grey(1, (2, 3))], mask=datasets.Image())
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
    # Colours tell images apart, so that every image is in one split, with its own class.
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
    image, target, _ = pickle.loads(sent)[3]
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
def test_a_box_that_is_none_is_left_out_and_the_others_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: list[float]
) -> None:
    splits = open_boxes(tmp_path / "saved", [SOUND], [SOUND, broken, OTHER])
    assert [target.boxes.tolist() for _, target in content(splits.train)] == [[SOUND], [SOUND, OTHER]]
    told = [record.getMessage() for record in caplog.records if record.name.startswith("reorder_kit")]
    assert [message.split(" of the ")[0] for message in told] == ["1 of 4 boxes"] * 3
    assert told[0].endswith(f"read as xyxy, and are left out: {tmp_path / 'saved'}, split train, row 1")


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
    assert "does not hold images but" in refused(image_column="label")
    assert "does not hold targets of the kind boxes" in refused(BOXES, target_column="labels")
    assert "does not hold targets of the kind class" in refused(target_column="labels")
    assert "does not hold targets of the kind class" in refused(target_column="image")
    assert "data.test: " in refused(test="validation")
    assert "its splits: train, rest" in refused(test="validation")
    assert "data.config: a local folder has none" in refused(config="full")
    assert f"there is no folder {tmp_path / 'none'}" in refused(place=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "data.dataset: cannot open" in refused(place=tmp_path / "empty")
    assert "data.classes: masks do not tell" in refused(MASK, target_column="image")
    assert "of the 1 classes" in refused(classes=("a",))
    nothing = save(
        tmp_path / "nothing", train=table({"names": [[], []]}, names=datasets.Sequence(datasets.Value("string")))
    )
    said = refused(MULTI_LABEL, nothing, target_column="names")
    assert said.startswith("data.target_column: the training images have no classes")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ReorderKitError, match=r"pip install 'reorder-kit\[hf\]'"):
        open_saved(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"test": "train"}, "different splits"),
        ({"test": "test", "test_fraction": 0.3}, "test_fraction does nothing"),
        ({"classes": ("a", "a")}, "says something twice"),
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
    with pytest.raises(ReorderKitError, match=r"data\.target_column: .* does not hold targets of the kind boxes"):
        open_saved(tmp_path / "set", BOXES)
