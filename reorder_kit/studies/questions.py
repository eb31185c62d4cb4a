"""The questions of a study: which rows are compared, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from reorder_kit.controls import LearnedStatic
from reorder_kit.studies.results import Origin, Question


class NamedRow(Protocol):
    """The position of a row in the grid of a study, as in :class:`reorder_kit.studies.results.Row`."""

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

    @property
    def length(self) -> float:
        """The training length as a multiple of the recipe's."""

    @property
    def origin(self) -> Origin:
        """Where the starting order comes from."""


@dataclass(frozen=True)
class Asked:
    """A question about particular rows.

    Args:
        question: the question.
        rows: indices in the table; in a pair, the first is compared with the second; for ``best-fixed``, the first is
            compared with the best of the others.
    """

    question: Question
    rows: tuple[int, ...]


def questions_of(rows: Sequence[NamedRow], pool: Collection[str] | None = None) -> list[Asked]:
    """Every comparison that the rows allow, grouped by question, in table order.

    * ``best-fixed``: a learned or chosen order against the best fixed order of the same model, data and length.
      Learned are the orders of learners, in their own run and from scratch. Chosen are starts from a prior, a race or a
      file, unless the pool names them. If the pool is only the start of a learner, the other questions cover this one.
    * ``order-matters``: all fixed orders of a model on its data, together, without random orders and those chosen by a
      prior or a race.
    * ``learning-helps``: a learner against its fixed start.
    * ``order-holds-up``: a learned order, trained in from scratch, against the same fixed start.
    * ``control``: every other control against the fixed order it is filed under. None of them is expected to be better.
      A noise reward teaches nothing; if it helps, trying orders helps in itself, whatever the reward. A random order
      for every batch leaves no order to learn from; if it helps, it acts as augmentation. A fixed random order was not
      chosen for anything; if it is better, nearly any order is, and a learner's gain says little.

    Rows without a counterpart in the table are not compared.

    Args:
        rows: the table.
        pool: names of the starts from which the best fixed order is chosen; if None, all rules.
    """
    asked = (_about(rows, question) for question in _OF_A_ROW)
    return list(chain(_best_fixed(rows, pool), _order_matters(rows), *asked))


_OF_A_ROW: tuple[Question, ...] = ("learning-helps", "order-holds-up", "control")


def _best_fixed(rows: Sequence[NamedRow], pool: Collection[str] | None) -> Iterator[Asked]:
    pools: dict[tuple[str, str, float], list[int]] = {}
    for place, row in enumerate(rows):
        if _is_fixed(row) and _is_in(row, pool):
            pools.setdefault(case_of(row), []).append(place)
    for place, row in enumerate(rows):
        against = pools.get(case_of(row), [])
        is_start_alone = len(against) == 1 and rows[against[0]].start == row.start
        if against and not is_start_alone and _is_candidate(row, pool):
            yield Asked("best-fixed", (place, *against))


def _is_candidate(row: NamedRow, pool: Collection[str] | None) -> bool:
    if row.control not in (None, LearnedStatic.name):
        return False
    return row.learner is not None or (row.origin in ("chosen", "file") and not _is_in(row, pool))


def _is_in(row: NamedRow, pool: Collection[str] | None) -> bool:
    return row.origin == "rule" if pool is None else row.start in pool


def _order_matters(rows: Sequence[NamedRow]) -> Iterator[Asked]:
    together: dict[tuple[str, str, float], list[int]] = {}
    for place, row in enumerate(rows):
        if _is_fixed(row) and row.origin in ("rule", "file"):
            together.setdefault(case_of(row), []).append(place)
    yield from (Asked("order-matters", tuple(fixed)) for fixed in together.values() if len(fixed) > 1)


def _about(rows: Sequence[NamedRow], question: Question) -> Iterator[Asked]:
    fixed = {(case_of(row), row.start): place for place, row in enumerate(rows) if _is_fixed(row)}
    for place, row in enumerate(rows):
        start = fixed.get((case_of(row), row.start))
        if not _is_fixed(row) and _question_of(row) == question and start is not None:
            yield Asked(question, (place, start))


def case_of(row: NamedRow) -> tuple[str, str, float]:
    """The model, its data and its training length: only rows that share them are compared."""
    return row.data, row.backbone, row.length


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
