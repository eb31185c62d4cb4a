"""A picture of many boxes is readable: larger, with thin lines in the colors of a legend instead of labels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reorder_kit.figures import predictions
from reorder_kit.figures.predictions import draw_predictions
from reorder_kit.interfaces import Annotation
from reorder_kit.interfaces.run_events import Predictions

CLASSES = ("cell", "cell wall")


def annotation(boxes: int, text: str) -> Annotation:
    edges = torch.tensor([[number % 20, number // 20, number % 20 + 5, number // 20 + 5] for number in range(boxes)])
    return Annotation(boxes=edges.float(), box_texts=[text] * boxes)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(predictions, "write_figure", lambda figure, path, dots_per_inch: figures.append(figure))
    return figures


def draw(truth: Annotation, answer: Annotation, drawn: list[Figure]) -> Figure:
    images = torch.rand(2, 3, 32, 32)
    draw_predictions(Predictions("cells", "test", images, [truth] * 2, [answer] * 2, CLASSES), Path("p.png"))
    return drawn[-1]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def boxes(figure: Figure, number: int) -> list[Rectangle]:
    return [patch for patch in figure.axes[number].patches if isinstance(patch, Rectangle)]


def test_many_boxes_have_a_legend_instead_of_texts(drawn: list[Figure]) -> None:
    few = draw(annotation(3, "cell wall"), annotation(2, "cell 0.90"), drawn)
    many = draw(annotation(50, "cell wall"), annotation(46, "cell 0.90"), drawn)
    assert words(few).count("cell wall") == 6
    assert words(many) == ["50 boxes", "46 boxes"] * 2
    assert [text.get_text() for text in many.legends[0].get_texts()] == list(CLASSES)
    assert many.get_figwidth() > few.get_figwidth()
    assert max(box.get_linewidth() for box in boxes(many, 0)) < boxes(few, 0)[0].get_linewidth()
    # The class of a text is the longest name that it begins with.
    assert len({box.get_edgecolor() for box in [*boxes(many, 0), *boxes(many, 1)]}) == 2


def test_the_surest_boxes_are_drawn_and_lie_on_top(drawn: list[Figure]) -> None:
    figure = draw(annotation(120, "cell"), annotation(130, "cell 0.90"), drawn)
    assert words(figure)[:2] == ["120 boxes", "the top 100 of 130 boxes"]
    assert (len(boxes(figure, 0)), len(boxes(figure, 1))) == (120, 100)
    assert boxes(figure, 1)[-1].get_xy() == (-0.5, -0.5)  # the first of the prediction, drawn last


def test_a_box_of_no_class_is_drawn_in_ink(drawn: list[Figure]) -> None:
    figure = draw(annotation(50, "something"), annotation(0, ""), drawn)
    assert len(boxes(figure, 0)) == 50
    assert words(figure)[1] == "0 boxes"
