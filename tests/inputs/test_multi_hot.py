"""Lists of 0 and 1 for the presence of each class."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hf_tables import datasets, open_saved, save, table
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import MULTI_LABEL, DataSplits, Sample, SampleSet
from shards import open_shards, picture, write

Lists = Sequence[list[Any] | None]
NAMES = ("cat", "dog", "eel")


def from_hf(folder: Path, train: Lists, other: Lists | None = None, **options: Any) -> DataSplits:
    feature = datasets.Sequence(datasets.Value("int64"))
    made = {
        name: table({"labels": lists}, labels=feature)
        for name, lists in (("train", train), ("validation", other or train), ("test", train))
    }
    return open_saved(save(folder / "set", **made), MULTI_LABEL, **options)


def from_json(folder: Path, train: Lists, other: Lists | None = None, **options: Any) -> DataSplits:
    for name, lists in (("train", train), ("val", other or train), ("test", train)):
        members = []
        for number, labels in enumerate(lists):
            content = json.dumps({"labels": labels or []}).encode()
            members += [(f"{number}.png", picture(number)), (f"{number}.json", content)]
        write(folder / f"{name}.tar", members)
    return open_shards(folder, MULTI_LABEL, **options)


SOURCES = pytest.mark.parametrize("opened", [from_hf, from_json], ids=["hf", "webdataset"])
Opened = Callable[..., DataSplits]


def presence(samples: SampleSet) -> list[list[int]]:
    read = [samples[index] for index in range(len(samples))]
    assert all(isinstance(sample, Sample) for sample in read), read
    return [sample.target.int().tolist() for sample in read if isinstance(sample, Sample)]


@SOURCES
def test_lists_as_long_as_there_are_classes_are_read_as_one_entry_for_each(tmp_path: Path, opened: Opened) -> None:
    lists = [[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]]
    splits = opened(tmp_path, lists, [[0, 1, 0]], classes=NAMES)
    assert list(splits.classes) == list(NAMES)
    assert presence(splits.train) == lists
    assert presence(splits.validation) == [[0, 1, 0]]
    (finding,) = splits.findings
    assert finding.what == "lists of 0 and 1 are read as one entry per class"
    assert finding.count == 9


@SOURCES
def test_an_image_may_have_no_list(tmp_path: Path, opened: Opened) -> None:
    assert presence(opened(tmp_path, [[1, 0, 0], None, [0, 1, 1]], classes=NAMES).train) == [
        [1, 0, 0],
        [0, 0, 0],
        [0, 1, 1],
    ]


@SOURCES
def test_a_class_without_a_training_image_is_told_of(tmp_path: Path, opened: Opened) -> None:
    splits = opened(tmp_path, [[1, 0, 0], [1, 1, 0]], classes=NAMES)
    told = {finding.what: finding.example for finding in splits.findings}
    assert told["declared classes do not occur in the training targets"] == "eel"


def test_truth_values_and_fractions_of_0_are_0_and_1(tmp_path: Path) -> None:
    splits = from_json(tmp_path, [[True, False, False], [0.0, 1.0, 1.0]], classes=NAMES)
    assert presence(splits.train) == [[1, 0, 0], [0, 1, 1]]


def test_the_names_of_a_split_say_which_entry_is_which(tmp_path: Path) -> None:
    lists = [[1, 0, 0], [0, 1, 1]]
    made = {}
    for split, names in (("train", NAMES), ("validation", ("eel", "cat", "dog")), ("test", NAMES)):
        feature = datasets.Sequence(datasets.ClassLabel(names=list(names)))
        made[split] = table({"labels": lists}, labels=feature)
    splits = open_saved(save(tmp_path / "set", **made), MULTI_LABEL)
    assert presence(splits.train) == lists
    assert presence(splits.validation) == [[0, 0, 1], [1, 1, 0]]


@SOURCES
@pytest.mark.parametrize("classes", [None, ("cat", "dog"), (*NAMES, "fox")], ids=["no names", "fewer", "more"])
def test_lists_that_do_not_fit_the_classes_are_refused(
    tmp_path: Path, opened: Opened, classes: tuple[str, ...] | None
) -> None:
    with pytest.raises(ReorderKitError, match="a list of 3 labels, each 0 or 1") as error:
        opened(tmp_path, [[1, 0, 0], [0, 1, 1]], classes=classes)
    assert "name 3 classes in data.classes" in str(error.value.hint)


@SOURCES
@pytest.mark.parametrize("classes", [None, ("cat", "dog")], ids=["no names", "two names"])
def test_lists_of_two_could_be_either_and_are_refused(
    tmp_path: Path, opened: Opened, classes: tuple[str, ...] | None
) -> None:
    with pytest.raises(ReorderKitError, match="could be class numbers or mark each class"):
        opened(tmp_path, [[1, 0], [0, 1], [0, 0]], classes=classes)


@SOURCES
@pytest.mark.parametrize(
    "lists", [[[0], [1], [0, 1], []], [[0], [1]], [[0, 1, 2], [2, 1, 0]]], ids=["lengths", "one", "others"]
)
def test_numbers_of_classes_stay_numbers(tmp_path: Path, opened: Opened, lists: Lists) -> None:
    splits = opened(tmp_path, lists, classes=NAMES)
    expected = [[int(number in (labels or ())) for number in range(3)] for labels in lists]
    assert presence(splits.train) == expected


@SOURCES
@pytest.mark.parametrize("is_train", [True, False], ids=["train alone", "validation alone"])
def test_splits_that_are_written_differently_are_refused(tmp_path: Path, opened: Opened, is_train: bool) -> None:
    marks, numbers = [[1, 0, 0], [0, 1, 1]], [[0], [1, 2]]
    train, other = (marks, numbers) if is_train else (numbers, marks)
    with pytest.raises(ReorderKitError, match="the validation split differ in form from those of train"):
        opened(tmp_path, train, other, classes=NAMES)


@SOURCES
@pytest.mark.parametrize("odd", [[1, 1], [1, 0, 0, 0]], ids=["short", "long"])
def test_one_odd_list_does_not_make_the_others_numbers_of_classes(
    tmp_path: Path, opened: Opened, odd: list[int]
) -> None:
    with pytest.raises(ReorderKitError, match="0 or 1"):
        opened(tmp_path, [[0, 1, 0], [1, 0, 0], odd], classes=NAMES)


def test_texts_and_uncertain_entries_are_not_numbers_of_classes(tmp_path: Path) -> None:
    for place, lists in enumerate(([["0", "1", "0"], ["1", "0", "0"]], [[0, 1, 0], [1, -1, 0]])):
        with pytest.raises(ReorderKitError, match="0 or 1"):
            from_json(tmp_path / str(place), lists, classes=NAMES)
