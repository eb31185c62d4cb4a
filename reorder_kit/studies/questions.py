"""What a study asks of its table: which rows are compared, and to what end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from reorder_kit.controls import LearnedStatic
from reorder_kit.studies.results import Origin, Question


class NamedRow(Protocol):
    """Where a row stands in the grid of a study, as :class:`reorder_kit.studies.results.Row` says."""

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
        """How many times as long as the recipe says it is trained."""

    @property
    def origin(self) -> Origin:
        """Where the starting order comes from."""


@dataclass(frozen=True)
class Asked:
    """A question, and whom it concerns.

    Args:
        question: which.
        rows: indices in the table; of a pair, the first is compared with the second; of ``best-fixed``, the first is
            compared with the best of the others.
    """

    question: Question
    rows: tuple[int, ...]

    @property
    def tested(self) -> int:
        """How many rows the test compares."""
        return 2 if self.question == "best-fixed" else len(self.rows)


def questions_of(rows: Sequence[NamedRow], pool: Collection[str] | None = None) -> list[Asked]:
    """Every comparison that a table allows, question by question, in the sequence of the table.

    * ``best-fixed``: an order that was learned or chosen with the best fixed order of the same model, data and length.
      Learned are the orders of learners, in their own run and from scratch; chosen are starts that a prior, a race or a
      person with a file gave, unless the pool names them. Where the pool is the start of a learner alone, the other
      questions ask the same.
    * ``order-matters``: all fixed orders of a model on its data, together. Random orders are none, and neither are
      those that a prior or a race chose. Three or more that resemble each other, as those of ``all-rules`` do, are
      called different too often by the permutation test (:mod:`reorder_kit.statistics.permutation_tests`).
    * ``learning-helps``: a learner with the order it started from, kept.
    * ``order-holds-up``: a learned order, trained in from scratch, with the same fixed order.
    * ``control``: every other control with the fixed order it is filed under. None of them is expected to be better.
      Noise for a reward teaches nothing; if it helps, so does trying orders as such, whatever the reward says. A
      random order for every batch is no order to learn from; if it helps, it does as augmentation would. A random
      order, kept, was chosen by nothing; if it is better, nearly any order is, and a learner's gain says little.

    What has no counterpart in the table is not asked about.

    Args:
        rows: the table.
        pool: names of the starts among which the best fixed order is; if None, all that are rules.
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
