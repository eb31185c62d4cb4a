"""Tables of results as text, for terminals and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_kit.statistics.headline import signed

if TYPE_CHECKING:
    from reorder_kit.runs.result import RunResult
    from reorder_kit.studies.plan import Plan
    from reorder_kit.studies.results import StudyResult

TextTable = tuple[list[str], list[list[str]]]
"""A heading, and rows with the same number of cells; empty cells at the end of a row may be missing."""


def run_table(result: RunResult) -> TextTable:
    """The headline metric of a run and of its controls."""
    headline, controls = result.metric, result.compared_controls
    are_shares = headline.are_shares([result.score, *(score for each in controls for score in (each.own, each.score))])
    rows = [[each.name, f"{each.score:.3f}", signed(each.ahead, are_shares)] for each in controls]
    heading = ["", f"test {headline}", *([headline.difference] if result.controls else [])]
    return heading, [[result.name, f"{result.score:.3f}"], *rows]


def plan_table(plan: Plan) -> TextTable:
    """The rows that a study will train."""
    has_lengths = len(plan.lengths) > 1
    rows = [
        [row.data, row.backbone, *_length(row.length, has_lengths), row.start, row.learner or "", row.control or ""]
        for row in plan.rows
    ]
    return ["data", "backbone", *_length_heading(has_lengths), "start", "learner", "control"], rows


def study_table(results: StudyResult) -> TextTable:
    """The rows of a study with their scores."""
    has_lengths = results.has_lengths
    rows = []
    for row in results.rows:
        place = [row.data, row.backbone, *_length(row.length, has_lengths)]
        names = [*place, row.start, row.learner or "", row.control or ""]
        rows.append([*names, str(len(row.seeds)), str(row.score)])
    kept = ["start", "learner", "control", "seeds", f"test {results.metric}"]
    return ["data", "backbone", *_length_heading(has_lengths), *kept], rows


def size_of_plan(plan: Plan, finished: int) -> str:
    """Say how much a study trains.

    Args:
        plan: the plan of the study.
        finished: the number of finished runs.
    """
    begun = f", {finished} of them finished" if finished else ""
    rows = f"{len(plan.rows)} rows of {'1 seed' if plan.seeds == 1 else f'{plan.seeds} seeds'}{plan.of_lengths}"
    return f"{rows}, {plan.runs} runs{begun}"


def words_of_unfinished(results: StudyResult) -> list[str]:
    """Say how many runs of a study are missing; empty if none are."""
    if not results.unfinished:
        return []
    count = "1 run was" if results.unfinished == 1 else f"{results.unfinished} runs were"
    return [f"{count} not trained because others failed."]


def _length_heading(has_lengths: bool) -> list[str]:
    return ["training"] if has_lengths else []


def _length(length: float, has_lengths: bool) -> list[str]:
    return [f"{length:g}x"] if has_lengths else []
