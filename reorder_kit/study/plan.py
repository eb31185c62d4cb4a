"""What a study is going to do: its rows, how many runs they take, and what can be said with so many seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reorder_kit.plugin_manager import PluginHost
from reorder_kit.study.cells import RowKey, is_left_out, rows_of
from reorder_kit.study.study_file import Study

_QUESTIONS = {
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
        comparisons: how many there are, by question.
        left_out: controls that mean nothing for a learner, in words.
        warnings: what so few seeds cannot tell.
    """

    rows: tuple[RowKey, ...]
    seeds: int
    comparisons: dict[str, int]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def runs(self) -> int:
        """How many runs that takes."""
        return len(self.rows) * self.seeds

    @property
    def questions(self) -> list[str]:
        """What is asked, each with the number of comparisons."""
        return [f"{_QUESTIONS[question]}: {_times(count)}" for question, count in self.comparisons.items() if count]

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
    left_out = {
        control: [name for name in study.learners if is_left_out(study, name, control, host)]
        for control in study.controls
    }
    return Plan(
        rows,
        len(study.seeds),
        _comparisons(rows),
        tuple(
            f"{control} is left out for {', '.join(names)}, which {'do' if len(names) > 1 else 'does'} not learn from "
            "rewards"
            for control, names in left_out.items()
            if names
        ),
        (),
    )


def _comparisons(rows: Sequence[RowKey]) -> dict[str, int]:
    fixed = Counter((row.data, row.backbone) for row in rows if row.learner is None and row.control is None)
    return {
        "order-matters": sum(count > 1 for count in fixed.values()),
        "learning-helps": sum(row.learner is not None and row.control is None for row in rows),
        "order-holds-up": sum(row.control == "learned-static" for row in rows),
        "control": sum(row.control not in (None, "learned-static") for row in rows),
    }


def _times(count: int) -> str:
    return "1 comparison" if count == 1 else f"{count} comparisons"
