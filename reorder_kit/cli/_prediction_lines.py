"""Predictions as lines of 80 columns, printed as they are made."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from reorder_kit.training.prediction import FoundBox, ImagePrediction, Predictions

_WIDTH = 80
_LONGEST_NAME = 27
_CLASS, _SCORE, _EDGE = 14, 5, 7
_GAP = 2


class PredictionLines:
    """Prints predictions.

    Args:
        names: the names of all images, which determine the width of the columns.
        top: the number of classes to name.
    """

    def __init__(self, names: Sequence[str], top: int) -> None:
        self._name = min(_LONGEST_NAME, max([len("image"), *map(len, names)]))
        self._top = top
        self._is_first = True

    def print(self, prediction: ImagePrediction) -> None:
        """Print one prediction; the first one also prints the heading."""
        if self._is_first:
            heading = (
                _box_row("class", "score", ["left", "top", "right", "bottom"]) if prediction.boxes is not None else ""
            )
            typer.echo(self._row("image", heading or "prediction", 1 if heading else _GAP))
        self._is_first = False
        name = _end_of(prediction.path, self._name)
        gap = 1 if prediction.boxes is not None else _GAP
        for line in self._answer(prediction):
            typer.echo(self._row(name, line, gap))
            name = ""

    def finish(self, predictions: Predictions) -> None:
        """Print a summary of all predictions."""
        images = "1 image" if len(predictions) == 1 else f"{len(predictions)} images"
        lines = [f"{predictions.run}: {predictions.task} of {images}, {predictions.device}"]
        limit = predictions.threshold
        if limit is not None:
            what = "Boxes" if any(each.boxes is not None for each in predictions) else "Classes"
            lines.append(f"{what} with a score of {limit.value:g} or more are reported ({limit.origin}).")
        lines += [*predictions.notes, *map(str, predictions.findings)]
        if len(predictions):
            typer.echo()
        for line in lines:
            typer.echo(textwrap.fill(line, _WIDTH, break_long_words=False, break_on_hyphens=False))

    def _row(self, name: str, words: str, gap: int) -> str:
        return f"{name:<{self._name}}{' ' * gap}{words}".rstrip()

    def _answer(self, prediction: ImagePrediction) -> Iterator[str]:
        if prediction.boxes is not None:
            yield from map(_line_of_box, prediction.boxes)
            if not prediction.boxes:
                yield "(no box)"
            return
        words = ", ".join(prediction.named(self._top)) if prediction.classes is not None else prediction.words
        yield from textwrap.wrap(words, _WIDTH - self._name - _GAP, break_on_hyphens=False) or [""]


def _line_of_box(box: FoundBox) -> str:
    edges = [f"{edge:.1f}" for edge in (box.left, box.top, box.right, box.bottom)]
    return _box_row(_beginning_of(box.name, _CLASS), f"{box.score:.3f}", edges)


def _box_row(name: str, score: str, edges: Sequence[str]) -> str:
    return " ".join([f"{name:<{_CLASS}}", f"{score:>{_SCORE}}", *(f"{edge:>{_EDGE}}" for edge in edges)])


def _beginning_of(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _end_of(text: str, most: int) -> str:
    return text if len(text) <= most else f"…{text[1 - most :]}"
