"""Pictures of the results of the planted benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from reorder_kit.benchmark.planted_report import CaseReport
from reorder_kit.figures.planted import draw_recovered, draw_restored
from reorder_kit.ops.planted_chain import additive_accuracy, bayes_accuracy


def draw_pictures(reports: Iterable[CaseReport], folder: Path) -> Iterator[Path]:
    """Draw accuracy by restored neighbors for each chain, and the recovered share of each gap.

    Args:
        reports: the reports of all cases.
        folder: the folder to write to; it is created if needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recovered = {}
    for report in reports:
        if report.case.is_chain:
            path = folder / f"planted-{report.case.name}.png"
            _draw_chain(report, path)
            yield path
        shares = {row.learner: row.recovered.ends for row in report.rows if row.learner and row.recovered}
        if shares:
            recovered[report.case.name] = shares
    if recovered:
        path = folder / "planted-recovered.png"
        draw_recovered(recovered, path)
        yield path


def _draw_chain(report: CaseReport, path: Path) -> None:
    rows, columns = report.case.grid
    patches = rows * columns
    draw_restored(
        {
            # A chain has only one start, so names do not repeat it.
            row.learner or row.order: list(zip(row.neighbours.values, row.accuracy.values, strict=True))
            for row in report.rows
            if row.neighbours is not None
        },
        {
            "best from restored neighbors alone": [bayes_accuracy(patches, restored) for restored in range(patches)],
            "adding up all neighbors": [additive_accuracy(patches, restored) for restored in range(patches)],
        },
        report.case.name,
        path,
    )
