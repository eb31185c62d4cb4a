"""Classes are compared by name, and class numbers are not trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hf_tables import datasets, open_saved, save, table
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, CLASS, MULTI_LABEL, DataSplits, Sample, SampleSet, TargetKind
from shards import open_shards, picture, write

KINDS = [CLASS, MULTI_LABEL, BOXES]
BOX = [1.0, 1.0, 4.0, 4.0]
COLUMNS = {CLASS: "label", MULTI_LABEL: "labels", BOXES: "objects"}
MAPPED = "class numbers are mapped by the class names of their split"


def value(kind: TargetKind, label: Any) -> Any:
    """A target of one class."""
    return {CLASS: label, MULTI_LABEL: [label], BOXES: {"bbox": [BOX], "category": [label]}}[kind]


def numbers(samples: SampleSet) -> list[int]:
    """The number of the one class of each sample."""
    found = []
    for index in range(len(samples)):
        sample = samples[index]
        assert isinstance(sample, Sample), sample
        target = sample.target
        if hasattr(target, "boxes"):
            found += target.classes.tolist()
        else:
            found += [target] if isinstance(target, int) else target.nonzero().flatten().tolist()
    return found


def named_split(kind: TargetKind, labels: Sequence[int], names: Sequence[str]) -> Any:
    label = datasets.ClassLabel(names=list(names))
    boxes = datasets.Sequence(datasets.Sequence(datasets.Value("float32")))
    feature = {
        CLASS: label,
        MULTI_LABEL: datasets.Sequence(label),
        BOXES: {"bbox": boxes, "category": datasets.Sequence(label)},
    }[kind]
    return table({COLUMNS[kind]: [value(kind, one) for one in labels]}, **{COLUMNS[kind]: feature})


def told(splits: DataSplits) -> dict[str, int]:
    return {finding.what: finding.count for finding in splits.findings}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_splits_that_name_their_classes_in_another_sequence_are_read_by_name(tmp_path: Path, kind: TargetKind) -> None:
    save(
        tmp_path / "set",
        train=named_split(kind, [0, 1, 2, 0], ["cat", "dog", "eel"]),
        validation=named_split(kind, [0, 1, 2], ["eel", "cat", "dog"]),
        test=named_split(kind, [2, 0], ["cat", "dog", "eel"]),
    )
    splits = open_saved(tmp_path / "set", kind)
    assert list(splits.classes) == ["cat", "dog", "eel"]
    assert [numbers(part) for part in (splits.train, splits.validation, splits.test)] == [
        [0, 1, 2, 0],
        [2, 0, 1],
        [2, 0],
    ]
    assert told(splits) == {MAPPED: 3}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(
    ("names", "differing"), [(["cat", "fox"], "'fox'"), (["cat"], "'dog'"), (["cat", "dog", "fox"], "'fox'")]
)
def test_splits_that_name_other_classes_are_refused(
    tmp_path: Path, kind: TargetKind, names: list[str], differing: str
) -> None:
    split = named_split(kind, [0, 1], ["cat", "dog"])
    save(tmp_path / "set", train=split, validation=named_split(kind, [0], names), test=split)
    with pytest.raises(ReorderKitError, match=rf"data\.target_column: classes differ: .*{differing}"):
        open_saved(tmp_path / "set", kind)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_classes_of_the_recipe_are_found_by_the_names_in_the_data(tmp_path: Path, kind: TargetKind) -> None:
    split = named_split(kind, [0, 1, 2], ["cat", "dog", "eel"])
    save(tmp_path / "set", train=split, validation=split, test=split)
    splits = open_saved(tmp_path / "set", kind, classes=("eel", "cat", "dog"))
    assert list(splits.classes) == ["eel", "cat", "dog"]
    assert numbers(splits.train) == numbers(splits.test) == [1, 2, 0]
    assert told(splits) == {MAPPED: 9}
    with pytest.raises(ReorderKitError, match=r"classes differ: .*'dog'"):
        open_saved(tmp_path / "set", kind, classes=("cat", "fish", "eel"))


def test_numbers_without_names_are_refused_beside_a_split_that_has_names(tmp_path: Path) -> None:
    named, plain = named_split(CLASS, [0, 1], ["cat", "dog"]), table({"label": [0, 1]})
    save(tmp_path / "plain validation", train=named, validation=plain, test=named)
    with pytest.raises(ReorderKitError, match="the validation split has class numbers without names"):
        open_saved(tmp_path / "plain validation")
    save(tmp_path / "plain train", train=plain, validation=named, test=plain)
    with pytest.raises(ReorderKitError, match=r"classes differ: the validation split names 'cat'"):
        open_saved(tmp_path / "plain train")
    # Given names define the numbers of both.
    splits = open_saved(tmp_path / "plain train", classes=("dog", "cat"))
    assert (numbers(splits.train), numbers(splits.validation)) == ([0, 1], [1, 0])


def test_names_that_are_digits_are_names(tmp_path: Path) -> None:
    named, text = named_split(CLASS, [0, 1], ["7", "1"]), table({"label": ["1", "7"]})
    save(tmp_path / "set", train=named, validation=text, test=named)
    splits = open_saved(tmp_path / "set")
    assert (numbers(splits.train), numbers(splits.validation)) == ([0, 1], [1, 0])
    assert told(splits) == {}


def test_names_as_text_and_as_class_labels_are_the_same(tmp_path: Path) -> None:
    text, named = table({"label": ["cat", "dog"]}), named_split(CLASS, [0, 1], ["dog", "cat"])
    save(tmp_path / "set", train=text, validation=named, test=text)
    splits = open_saved(tmp_path / "set")
    assert (numbers(splits.train), numbers(splits.validation)) == ([0, 1], [1, 0])


Opened = Callable[..., DataSplits]


def from_hf(folder: Path, kind: TargetKind, labels: dict[str, Sequence[Any]], **options: Any) -> DataSplits:
    """Columns without names of classes."""
    made = {
        split: table({COLUMNS[kind]: [value(kind, label) for label in of_split]}) for split, of_split in labels.items()
    }
    return open_saved(save(folder / "set", **made), kind, **options)


def from_shards(folder: Path, kind: TargetKind, labels: dict[str, Sequence[Any]], **options: Any) -> DataSplits:
    """JSON members."""
    files = {"train": "train.tar", "validation": "val.tar", "test": "test.tar"}
    fields = {CLASS: "class", MULTI_LABEL: "labels", BOXES: "objects"}
    for split, of_split in labels.items():
        members = []
        for number, label in enumerate(of_split):
            content = json.dumps({fields[kind]: value(kind, label)}).encode()
            members += [(f"{number}.png", picture(number)), (f"{number}.json", content)]
        write(folder / files[split], members)
    return open_shards(folder, kind, target_ending="json", **options)


def from_cls(folder: Path, kind: TargetKind, labels: dict[str, Sequence[Any]], **options: Any) -> DataSplits:
    """Members cls."""
    for split, name in {"train": "train.tar", "validation": "val.tar", "test": "test.tar"}.items():
        members = [(f"{number}.cls", str(label).encode()) for number, label in enumerate(labels[split])]
        write(folder / name, [*members, *((f"{number}.png", picture(number)) for number in range(len(members)))])
    return open_shards(folder, kind, **options)


RECORDS = [
    *(pytest.param(from_hf, kind, id=f"hf {kind}") for kind in KINDS),
    *(pytest.param(from_shards, kind, id=f"json {kind}") for kind in KINDS),
    pytest.param(from_cls, CLASS, id="cls class"),
]


@pytest.mark.parametrize(("opened", "kind"), RECORDS)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_numbers_that_start_at_1_are_refused_where_the_recipe_names_classes(
    tmp_path: Path, opened: Opened, kind: TargetKind, split: str
) -> None:
    labels = {"train": [0, 1, 2], "validation": [0, 2], "test": [1]} | {split: [1, 2, 3, 3]}
    with pytest.raises(ReorderKitError, match=rf"the {split} split has the class number 3 and never 0") as error:
        opened(tmp_path, kind, labels, classes=("cat", "dog", "eel"))
    assert "start at 1" in str(error.value.hint)


@pytest.mark.parametrize(("opened", "kind"), RECORDS)
def test_numbers_that_start_at_1_are_names_where_the_recipe_has_none(
    tmp_path: Path, opened: Opened, kind: TargetKind
) -> None:
    splits = opened(tmp_path, kind, {"train": [1, 3, 2], "validation": [3], "test": [1, 2]})
    assert list(splits.classes) == ["1", "2", "3"]
    assert [numbers(part) for part in (splits.train, splits.validation, splits.test)] == [[0, 2, 1], [2], [0, 1]]


@pytest.mark.parametrize(("opened", "kind"), [case for case in RECORDS if "cls" not in str(case.id)])
def test_numbers_as_text_are_numbers(tmp_path: Path, opened: Opened, kind: TargetKind) -> None:
    labels = {"train": ["0", "2", "1"], "validation": ["2"], "test": ["1"]}
    splits = opened(tmp_path, kind, labels, classes=("cat", "dog", "eel"))
    assert [numbers(part) for part in (splits.train, splits.validation, splits.test)] == [[0, 2, 1], [2], [1]]
    assert told(splits) == {"class numbers written as text are read as numbers": 5}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_some_numbers_as_text_and_some_with_a_fraction_of_0_are_numbers(tmp_path: Path, kind: TargetKind) -> None:
    splits = from_shards(tmp_path, kind, {"train": [10, "9", 9.0], "validation": ["10"], "test": [9]})
    assert list(splits.classes) == ["9", "10"]
    assert [numbers(part) for part in (splits.train, splits.validation, splits.test)] == [[1, 0, 0], [1], [0]]
    assert told(splits) == {"class numbers written as text are read as numbers": 2}


def coco_root(root: Path, of_test: list[dict[str, Any]]) -> Path:
    (root / "images").mkdir()
    for split, categories in (("train", [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]), ("test", of_test)):
        images, annotations = [], []
        for number in range(6):
            name = f"{split}-{number}.png"
            noise = np.random.default_rng([len(split), number]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).save(root / "images" / name)
            images.append({"id": number, "file_name": name, "width": 8, "height": 8})
            annotations.append({"id": number, "image_id": number, "category_id": 1 + number % 2, "bbox": BOX})
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize("kind", [BOXES, MULTI_LABEL], ids=str)
def test_category_ids_that_another_file_gives_other_names_are_read_by_name(tmp_path: Path, kind: TargetKind) -> None:
    root = coco_root(tmp_path, [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}])
    options = CocoDetection.Options(root=root, image_size=8, train_transforms=())
    splits = CocoDetection(options, kind).open(seed=0)
    assert list(splits.classes) == ["cat", "dog"]
    assert numbers(splits.test) == [1, 0, 1, 0, 1, 0]
    assert told(splits) == {MAPPED: 6}
