"""The worst class, which a headline hides, is reported."""

from __future__ import annotations

from typing import Any

import pytest

from reorder_kit.cli._worst_class import describe_worst_class
from reorder_kit.runs.figures import Figures
from reorder_kit.statistics.headline import Headline


@pytest.mark.parametrize(
    ("per_class", "lines"),
    [
        ({"cat": 0.9, "ship": 0.001, "dog": 0.5}, ["Worst of 3 classes: ship, 0.001."]),
        (
            {"cat": 0.9, "ship": None, "dog": 0.5},
            ["Worst of 2 classes: dog, 0.500.", "Not measured because no image has them: ship."],
        ),
        ({"cat": 0.9, "ship": None}, ["Not measured because no image has them: ship."]),
        ({"cat": 0.9}, []),
        (
            {"cat": 0.5, "dog": 1.0} | dict.fromkeys("abcdefg"),
            ["Worst of 2 classes: cat, 0.500.", "Not measured because no image has them: a, b, c, d, e and 2 more."],
        ),
        (0.5, []),
    ],
)
def test_the_worst_class_is_named_and_the_unmeasured_ones_are(per_class: Any, lines: list[str]) -> None:
    figures = Figures({"loss": 1.0, "images": 4, "top1": 0.6, "per_class": per_class})
    assert describe_worst_class(figures, Headline("top1")) == lines


def test_the_worst_of_an_error_is_the_largest() -> None:
    figures = Figures({"loss": 1.0, "images": 4, "mse": 0.6, "per_class": {"cat": 0.9, "dog": 0.1}})
    assert describe_worst_class(figures, Headline("mse", higher_is_better=False)) == ["Worst of 2 classes: cat, 0.900."]


def test_a_task_without_figures_by_class_has_no_worst_one() -> None:
    assert describe_worst_class(Figures({"loss": 1.0, "images": 4}), Headline("loss", higher_is_better=False)) == []
