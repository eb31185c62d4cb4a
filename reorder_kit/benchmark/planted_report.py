"""The results of the planted benchmark: for each case, a row for each fixed order and learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from reorder_kit.benchmark.planted_cases import SCRAMBLED, UNDONE, Case
from reorder_kit.benchmark.planted_runs import PlantedOutcome, PlantedRun, Split
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.statistics.estimate import Estimate, mean_over_seeds, ratio_over_seeds

Outcomes = Mapping[PlantedRun, PlantedOutcome]


@dataclass(frozen=True)
class Row:
    """A fixed order or a learner, over all seeds.

    Args:
        order: the order it started from.
        learner: name of the learner; None for a fixed order.
        accuracy: accuracy of the run itself.
        from_scratch: accuracy of a model trained in the learned order from the first step; None for a fixed order.
        recovered: share of the accuracy gap between the scrambled and the undone order that was recovered; None if no
            answer is known, or the gap is not distinguishable from chance.
        neighbours: share of neighboring slots whose patches belong together, as the case defines; None if each image
            has its own order.
        seconds: time of training on one thread.
    """

    order: str
    learner: str | None
    accuracy: Estimate
    from_scratch: Estimate | None
    recovered: Estimate | None
    neighbours: Estimate | None
    seconds: Estimate

    @property
    def name(self) -> str:
        """The name of the row in tables."""
        return self.order if self.learner is None else f"{self.learner} from {self.order}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        figures = {
            name: None if (figure := getattr(self, name)) is None else figure.as_dict()
            for name in ("accuracy", "from_scratch", "recovered", "neighbours", "seconds")
        }
        return {"order": self.order, "learner": self.learner, **figures}


@dataclass(frozen=True)
class CaseReport:
    """A case with its rows, fixed orders first.

    Args:
        case: the case.
        reach: slots that reach the readout, None if unknown, and all slots.
        gap: accuracy in the undone order minus that in the scrambled order; None if no answer is known.
        rows: orders and learners.
    """

    case: Case
    reach: tuple[int | None, int]
    gap: Estimate | None
    rows: Sequence[Row]

    @property
    def is_selection(self) -> bool:
        """Whether an order also selects which patches are read."""
        return SlotsRead(*self.reach).is_selection

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "case": self.case.name,
            "about": self.case.about,
            "reach": {"slots": self.reach[0], "of": self.reach[1], "is_selection": self.is_selection},
            "neighbours": self.case.neighbours,
            "gap": None if self.gap is None else self.gap.as_dict(),
            "rows": [row.as_dict() for row in self.rows],
        }

    def table(self) -> list[list[str]]:
        """A heading and a row for each order and learner."""
        heading = ["order", "accuracy", "from scratch", "recovered", self.case.neighbours, "seconds"]
        lines = [
            [
                row.name,
                str(row.accuracy),
                "" if row.from_scratch is None else str(row.from_scratch),
                "" if row.recovered is None else str(row.recovered),
                "" if row.neighbours is None else str(row.neighbours),
                f"{row.seconds.mean:.0f}",
            ]
            for row in self.rows
        ]
        return [heading, *lines]


def report(outcomes: Outcomes, split: Split) -> list[CaseReport]:
    """Combine the outcomes of all planned runs.

    Args:
        outcomes: the outcome of every run of every seed, case after case.
        split: the split to report; options are chosen on ``validation``.
    """
    return [
        _case_report(case, {run: outcomes[run] for run in runs}, split)
        for case, runs in groupby(outcomes, key=lambda run: run.case)
    ]


def _case_report(case: Case, outcomes: Outcomes, split: Split) -> CaseReport:
    by_row: dict[tuple[str, str | None], list[PlantedOutcome]] = {}
    for run, outcome in outcomes.items():  # seed by seed, so that the figures of two rows are paired
        by_row.setdefault((run.start, run.learner), []).append(outcome)
    accuracy = {name: [outcome.accuracy.on(split) for outcome in found] for name, found in by_row.items()}
    gap = _differences(accuracy[UNDONE, None], accuracy[SCRAMBLED, None]) if case.has_answer else None
    rows = [
        Row(
            order,
            learner,
            mean_over_seeds(accuracy[order, learner]),
            None if learner is None else _mean_if_known([_from_scratch(outcome, split) for outcome in found]),
            None
            if learner is None or gap is None
            else ratio_over_seeds(_differences(accuracy[order, learner], accuracy[SCRAMBLED, None]), gap),
            _mean_if_known([outcome.neighbours for outcome in found]),
            mean_over_seeds([outcome.seconds for outcome in found]),
        )
        for (order, learner), found in by_row.items()
    ]
    reach = next(iter(outcomes.values())).reach
    return CaseReport(case, reach, None if gap is None else mean_over_seeds(gap), rows)


def _from_scratch(outcome: PlantedOutcome, split: Split) -> float | None:
    return None if outcome.from_scratch is None else outcome.from_scratch.on(split)


def _mean_if_known(values: Sequence[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return mean_over_seeds(known) if len(known) == len(values) else None


def _differences(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value - other for value, other in zip(values, others, strict=True)]
