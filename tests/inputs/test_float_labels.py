"""Classes written as floats: columns with missing values, and labels of 0.0 and 1.0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hf_tables import content, datasets, open_saved, save, table
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, CLASS, MULTI_LABEL, DataSplits, TargetKind, Unreadable

FLOATS = ("float16", "float32", "float64")
NAN = float("nan")


def opened(root: Path, kind: TargetKind, column: str, values: list[Any], feature: Any, **options: Any) -> DataSplits:
    split = table({column: values}, **{column: feature})
    return open_saved(save(root / "set", train=split, validation=split, test=split), kind, **options)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("classes", [None, ("ant", "bee", "cat")])
def test_classes_as_floats(dtype: str, classes: tuple[str, ...] | None, tmp_path: Path) -> None:
    splits = opened(tmp_path, CLASS, "label", [0.0, 2.0, 1.0], datasets.Value(dtype), classes=classes)
    assert content(splits.train) == [(1, 0), (2, 2), (3, 1)]
    assert tuple(splits.classes) == (classes or ("0", "1", "2"))


@pytest.mark.parametrize("missing", [None, NAN], ids=["null", "NaN"])
def test_a_missing_class_makes_one_image_unreadable(missing: float | None, tmp_path: Path) -> None:
    splits = opened(tmp_path, CLASS, "label", [1.0, missing, 0.0], datasets.Value("float64"))
    assert tuple(splits.classes) == ("0", "1")
    assert [isinstance(splits.train[number], Unreadable) for number in range(3)] == [False, True, False]


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_mark_for_each_class_as_a_float(dtype: str, tmp_path: Path) -> None:
    rows = [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    feature = datasets.Sequence(datasets.Value(dtype))
    splits = opened(tmp_path, MULTI_LABEL, "labels", rows, feature, classes=("ant", "bee", "cat"))
    assert [target.tolist() for _, target in content(splits.train)] == rows
    assert "lists of 0 and 1 are read as one entry per class" in [finding.what for finding in splits.findings]


def test_lists_of_classes_as_floats(tmp_path: Path) -> None:
    feature = datasets.Sequence(datasets.Value("float32"))
    splits = opened(tmp_path, MULTI_LABEL, "labels", [[2.0], [0.0, 1.0], []], feature)
    assert [target.tolist() for _, target in content(splits.train)] == [[0, 0, 1], [1, 1, 0], [0, 0, 0]]


def test_categories_of_boxes_as_floats(tmp_path: Path) -> None:
    objects = [{"bbox": [[1.0, 1.0, 3.0, 3.0]], "category": [number]} for number in (1.0, 0.0)]
    feature = {
        "bbox": datasets.Sequence(datasets.Sequence(datasets.Value("float32"))),
        "category": datasets.Sequence(datasets.Value("float32")),
    }
    splits = opened(tmp_path, BOXES, "objects", objects, feature)
    assert [target.classes.tolist() for _, target in content(splits.train)] == [[1], [0]]


@pytest.mark.parametrize("value", [0.5, float("inf")])
@pytest.mark.parametrize("kind", [CLASS, MULTI_LABEL], ids=str)
def test_a_fraction_is_no_class(kind: TargetKind, value: float, tmp_path: Path) -> None:
    column, one, other = ("label", 1.0, value) if kind == CLASS else ("labels", [1.0, 0.0], [value, 1.0])
    feature = datasets.Value("float64") if kind == CLASS else datasets.Sequence(datasets.Value("float64"))
    with pytest.raises(ReorderKitError, match=r"data\.target_column: .*row 1: .*a number or a name, not (0\.5|inf)"):
        opened(tmp_path, kind, column, [one, other], feature)
