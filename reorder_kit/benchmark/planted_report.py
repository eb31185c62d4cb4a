"""What the planted benchmark found: for each case a row for each fixed order and each learner."""

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
        learner: what learned; None for a fixed order.
        accuracy: of the run itself.
        from_scratch: of a model trained in the learned order from its first step; None for a fixed order.
        recovered: how much of the accuracy between the scrambled and the undone order was won; None where no answer is
            known, or the two differ by no more than chance.
        neighbours: share of neighbouring slots whose patches belong together, as the case says; None where each image
            has its own order.
        seconds: of training, one thread.
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
        """What it is called in tables."""
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
    """A case with its rows, the fixed orders first.

    Args:
        case: the case.
        reach: slots that reach the readout, None where that is not known, and slots there are.
        gap: accuracy in the undone order less that in the scrambled order; None where no answer is known.
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
        """A heading and a line for each row."""
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
    """Bring the outcomes of all planned runs together.

    Args:
        outcomes: of every run of every seed, case after case.
        split: whose accuracy; options are chosen on ``validation``.
    """
    return [
        _case_report(case, {run: outcomes[run] for run in runs}, split)
        for case, runs in groupby(outcomes, key=lambda run: run.case)
    ]


def _case_report(case: Case, outcomes: Outcomes, split: Split) -> CaseReport:
    by_row: dict[tuple[str, str | None], list[PlantedOutcome]] = {}
    for run, outcome in outcomes.items():  # seed after seed, so that the figures of two rows are paired
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
