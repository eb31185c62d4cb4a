"""What a study asks of its table: which rows are compared, and to what end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from reorder_kit.controls import LearnedStatic
from reorder_kit.study.results import Question


class NamedRow(Protocol):
    """Where a row stands in the grid of a study, as :class:`reorder_kit.study.results.Row` says."""

    @property
    def data(self) -> str:
        """Name of the data."""

    @property
    def backbone(self) -> str:
        """Name of the backbone."""

    @property
    def start(self) -> str:
        """Name of the starting order."""

    @property
    def learner(self) -> str | None:
        """Name of the learner, if any."""

    @property
    def control(self) -> str | None:
        """The control, if it is one."""


@dataclass(frozen=True)
class Asked:
    """A question, and whom it concerns.

    Args:
        question: which.
        rows: indices in the table; of a pair, the first is compared with the second.
    """

    question: Question
    rows: tuple[int, ...]


def questions_of(rows: Sequence[NamedRow]) -> list[Asked]:
    """Every comparison that a table allows, question by question, in the sequence of the table.

    * ``order-matters``: all fixed orders of a model on its data, together.
    * ``learning-helps``: a learner with the order it started from, kept.
    * ``order-holds-up``: a learned order, trained in from scratch, with the same fixed order.
    * ``control``: every other control with the fixed order it is filed under. None of them is expected to be better.
      Noise for a reward teaches nothing; if it helps, so does trying orders as such, whatever the reward says. A
      random order for every batch is no order to learn from; if it helps, it does as augmentation would. A random
      order, kept, was chosen by nothing; if it is better, nearly any order is, and a learner's gain says little.

    What has no counterpart in the table is not asked about.
    """
    return list(chain(_order_matters(rows), *(_about(rows, question) for question in _OF_A_ROW)))


_OF_A_ROW: tuple[Question, ...] = ("learning-helps", "order-holds-up", "control")


def _order_matters(rows: Sequence[NamedRow]) -> Iterator[Asked]:
    together: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if _is_fixed(row):
            together.setdefault((row.data, row.backbone), []).append(place)
    yield from (Asked("order-matters", tuple(fixed)) for fixed in together.values() if len(fixed) > 1)


def _about(rows: Sequence[NamedRow], question: Question) -> Iterator[Asked]:
    fixed = {(row.data, row.backbone, row.start): place for place, row in enumerate(rows) if _is_fixed(row)}
    for place, row in enumerate(rows):
        start = fixed.get((row.data, row.backbone, row.start))
        if not _is_fixed(row) and _question_of(row) == question and start is not None:
            yield Asked(question, (place, start))


def _is_fixed(row: NamedRow) -> bool:
    return row.learner is None and row.control is None


def _question_of(row: NamedRow) -> Question:
    match row.control:
        case None:
            return "learning-helps"
        case LearnedStatic.name:
            return "order-holds-up"
        case _:
            return "control"
