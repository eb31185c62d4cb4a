"""Scores of a model and its controls by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.table import Cell, Column, Table, number
from reorder_kit.runs.figures import Figures, is_number

_COUNTS = {"images_per_class": "images", "boxes_per_class": "boxes", "pixels_per_class": "pixels"}
_SCORES = {"top1": "recall", "mAP": "average precision", "mAP50": "mAP", "mIoU": "IoU"}
"""The name of a class's figure, by the headline metric of the task."""
_NONE = "Classes without test images have no figure."


def class_tables(record: RunRecord) -> list[Table]:
    """A table of the classes; empty for a task without classes."""
    test = record.result.metrics.test
    scores = _by_class(test, "per_class")
    if not scores:
        return []
    counts = next(((word, found) for key, word in _COUNTS.items() if (found := _by_class(test, key))), None)
    precision = _by_class(test, "precision_per_class")
    beside = {
        control.name: found
        for control in record.result.compared_controls
        if (found := _by_class(control.figures, "per_class"))
    }
    score = _SCORES.get(record.headline, "score")
    columns = [
        Column("class", "class"),
        *([Column(counts[0], counts[0], is_number=True)] if counts else []),
        Column(score, "score", is_number=True),
        *([Column("precision", "precision", is_number=True)] if precision else []),
        *(Column(f"{score}, {name}", f"score_{name}", is_number=True) for name in beside),
    ]
    rows = [
        [
            Cell(name),
            *([_count(counts[1], name)] if counts else []),
            number(_value(scores, name)),
            *([number(_value(precision, name))] if precision else []),
            *(number(_value(found, name)) for found in beside.values()),
        ]
        for name in scores
    ]
    missing = f" {_NONE}" if test.absent_classes else ""
    return [Table("classes", f"Test images by class: {score} of the run and of the controls.{missing}", columns, rows)]


def _by_class(figures: Figures, key: str) -> Mapping[str, Any]:
    found = dict(figures).get(key)
    return found if isinstance(found, dict) else {}


def _count(by_class: Mapping[str, Any], name: str) -> Cell:
    count = by_class.get(name)
    return Cell(f"{count:,}", count) if isinstance(count, int) else Cell("")


def _value(by_class: Mapping[str, Any], name: str) -> float | None:
    value = by_class.get(name)
    return float(value) if is_number(value) else None
