"""The plan of a study: its rows, its number of runs, and what its seeds can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.statistics.deciding_test import DecidingTest
from reorder_kit.statistics.power import too_few_seeds
from reorder_kit.studies.cells import RowKey, is_left_out, pool_of, rows_of
from reorder_kit.studies.lengths import words_of
from reorder_kit.studies.questions import Asked, questions_of
from reorder_kit.studies.results import Question
from reorder_kit.studies.study_file import Study, unmatched

_QUESTIONS: dict[Question, str] = {
    "best-fixed": "is a learned or chosen order better than the best fixed one",
    "order-matters": "do fixed orders differ",
    "learning-helps": "is a learner better than its fixed start",
    "order-holds-up": "is a learned order, from scratch, better than its start",
    "control": "do negative controls stay at the start's score",
}


_MOST_NAMED = 8
"""The largest number of fixed orders that are listed."""


@dataclass(frozen=True)
class Plan:
    """The plan of a study.

    Args:
        rows: its rows.
        seeds: number of runs of each row.
        comparisons: number of comparisons by question.
        left_out: sentences about controls that do not apply to a learner.
        warnings: questions that so few seeds cannot answer, settings that differ between the sides of a comparison, and
            components that a release will remove.
        pool: names of the starts from which the best fixed order is chosen.
        lengths: training lengths at which everything is repeated.
    """

    rows: tuple[RowKey, ...]
    seeds: int
    comparisons: dict[Question, int]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]
    pool: tuple[str, ...]
    lengths: tuple[float, ...]

    @property
    def runs(self) -> int:
        """The number of all runs."""
        return len(self.rows) * self.seeds

    @property
    def of_lengths(self) -> str:
        """The training lengths, to append to the number of seeds; empty if there is only one."""
        return f" at {' and '.join(map(words_of, self.lengths))}" if len(self.lengths) > 1 else ""

    @property
    def questions(self) -> list[str]:
        """The questions, each with its number of comparisons."""
        asked = [f"{_QUESTIONS[question]}: {_times(count)}" for question, count in self.comparisons.items()]
        return [asked[0], self._pool_in_words, *asked[1:]] if "best-fixed" in self.comparisons else asked

    @property
    def _pool_in_words(self) -> str:
        """What the best fixed order is chosen from; long lists are shortened."""
        if len(self.pool) == 1:
            return f"the only fixed order is {self.pool[0]}"
        shown = self.pool if len(self.pool) <= _MOST_NAMED else (*self.pool[: _MOST_NAMED - 1], "...", self.pool[-1])
        return f"the best fixed order is chosen on validation images from {len(self.pool)}: {', '.join(shown)}"

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON data."""
        rows = [
            {
                "data": row.data,
                "backbone": row.backbone,
                "length": row.length,
                "start": row.start,
                "learner": row.learner,
                "control": row.control,
            }
            for row in self.rows
        ]
        return {
            "runs": self.runs,
            "seeds": self.seeds,
            "rows": rows,
            "comparisons": self.comparisons,
            "pool": list(self.pool),
            "warnings": list(self.warnings),
        }


def plan_of(study: Study, host: PluginHost) -> Plan:
    """Make the plan of a study."""
    rows = tuple(rows_of(study, host))
    pool = pool_of(study, host)
    asked = questions_of(rows, pool)
    families = Counter(each.question for each in asked)
    left_out = {
        control: [name for name in study.learners if is_left_out(study, name, control, host)]
        for control in study.controls
    }
    return Plan(
        rows,
        len(study.seeds),
        {question: count for question in _QUESTIONS if (count := families[question])},
        tuple(
            f"{control} is left out for {', '.join(names)}, which {'do' if len(names) > 1 else 'does'} not learn from "
            "rewards"
            for control, names in left_out.items()
            if names
        ),
        (*_warnings(asked, len(study.seeds), study.alpha, study.test), *unmatched(study)),
        pool,
        study.lengths,
    )


def _warnings(asked: Sequence[Asked], seeds: int, alpha: float, test: DecidingTest) -> Iterator[str]:
    families = Counter(each.question for each in asked)
    for question, count in families.items():
        if reason := too_few_seeds(seeds, count, alpha, test):
            yield f"{_QUESTIONS[question]}: {reason}"


def _times(count: int) -> str:
    return "1 comparison" if count == 1 else f"{count} comparisons"
