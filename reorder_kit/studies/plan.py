"""What a study is going to do: its rows, how many runs they take, and what can be said with so many seeds."""

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
    "learning-helps": "is a learner better than its start, kept",
    "order-holds-up": "is a learned order, from scratch, better than its start",
    "control": "does what cannot work leave the start as it is",
}


_MOST_NAMED = 8
"""Fixed orders that are listed."""


@dataclass(frozen=True)
class Plan:
    """What a study is going to do.

    Args:
        rows: its table.
        seeds: runs of each row.
        comparisons: how many there are, by question that is asked.
        left_out: controls that mean nothing for a learner, in words.
        warnings: what so few seeds cannot tell, and what is not the same on both sides of a comparison.
        pool: names of the starts among which the best fixed order is.
        lengths: at which training lengths all is repeated.
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
        """How many runs that takes."""
        return len(self.rows) * self.seeds

    @property
    def of_lengths(self) -> str:
        """The training lengths, to be said after the seeds; nothing if there is one alone."""
        return f" at {' and '.join(map(words_of, self.lengths))}" if len(self.lengths) > 1 else ""

    @property
    def questions(self) -> list[str]:
        """What is asked, each with the number of comparisons."""
        asked = [f"{_QUESTIONS[question]}: {_times(count)}" for question, count in self.comparisons.items()]
        return [asked[0], self._pool_in_words, *asked[1:]] if "best-fixed" in self.comparisons else asked

    @property
    def _pool_in_words(self) -> str:
        """What the best fixed order is chosen from; long lists are cut short."""
        if len(self.pool) == 1:
            return f"the only fixed order is {self.pool[0]}"
        shown = self.pool if len(self.pool) <= _MOST_NAMED else (*self.pool[: _MOST_NAMED - 1], "...", self.pool[-1])
        return f"the best fixed order is chosen on validation images from {len(self.pool)}: {', '.join(shown)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
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
    """The plan of a study."""
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
