"""What a study is going to do: its rows, how many runs they take, and what can be said with so many seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.statistics.power import too_few_seeds
from reorder_kit.study.cells import RowKey, is_left_out, rows_of
from reorder_kit.study.questions import Asked, questions_of
from reorder_kit.study.results import Question
from reorder_kit.study.study_file import Study

_QUESTIONS: dict[Question, str] = {
    "order-matters": "do fixed orders differ",
    "learning-helps": "is a learner better than its start, kept",
    "order-holds-up": "is a learned order, from scratch, better than its start",
    "control": "does what cannot work leave the start as it is",
}


@dataclass(frozen=True)
class Plan:
    """What a study is going to do.

    Args:
        rows: its table.
        seeds: runs of each row.
        comparisons: how many there are, by question that is asked.
        left_out: controls that mean nothing for a learner, in words.
        warnings: what so few seeds cannot tell.
    """

    rows: tuple[RowKey, ...]
    seeds: int
    comparisons: dict[Question, int]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def runs(self) -> int:
        """How many runs that takes."""
        return len(self.rows) * self.seeds

    @property
    def questions(self) -> list[str]:
        """What is asked, each with the number of comparisons."""
        return [f"{_QUESTIONS[question]}: {_times(count)}" for question, count in self.comparisons.items()]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [
            {"data": r.data, "backbone": r.backbone, "start": r.start, "learner": r.learner, "control": r.control}
            for r in self.rows
        ]
        return {
            "runs": self.runs,
            "seeds": self.seeds,
            "rows": rows,
            "comparisons": self.comparisons,
            "warnings": list(self.warnings),
        }


def plan_of(study: Study, host: PluginHost) -> Plan:
    """The plan of a study."""
    rows = tuple(rows_of(study, host))
    asked = questions_of(rows)
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
        tuple(_warnings(asked, len(study.seeds), study.alpha)),
    )


def _warnings(asked: Sequence[Asked], seeds: int, alpha: float) -> Iterator[str]:
    families = Counter(each.question for each in asked)
    for question, count in families.items():
        rows = min(len(each.rows) for each in asked if each.question == question)
        if reason := too_few_seeds(seeds, count, alpha, rows):
            yield f"{_QUESTIONS[question]}: {reason}"


def _times(count: int) -> str:
    return "1 comparison" if count == 1 else f"{count} comparisons"
