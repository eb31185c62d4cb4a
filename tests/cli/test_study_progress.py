"""The visible progress of a study."""

from __future__ import annotations

import io

from rich.console import Console

from reorder_kit.cli._study_progress import StudyProgress
from reorder_kit.studies.cells import Cell, RowKey
from reorder_kit.studies.run_study import CellReport

ROW = RowKey("digits", "vit", "row")


def follow(reports, seconds, **options):
    """The output for reports at given times; the study began at 0 with one of five runs finished."""
    out = io.StringIO()
    times = iter([0.0, *seconds])
    now = [next(times)]
    with StudyProgress(Console(file=out, width=100, **options), 5, 1, clock=lambda: now[0]) as progress:
        for report in reports:
            now[0] = next(times)
            progress.tell(report)
    return out.getvalue()


def test_a_log_has_a_line_for_each_run_with_the_time_left():
    reports = [
        CellReport(Cell(ROW, 1), None),
        CellReport(Cell(ROW, 2), "no [such] thing"),
        CellReport(Cell(ROW, 3), None),
        CellReport(Cell(ROW, 4), None),
    ]
    assert follow(reports, [10, 12, 36, 40]).splitlines() == [
        "2/5 digits/vit/row/seed-1, 0:00:30 left",  # 10 s each, three to go
        "digits/vit/row/seed-2 failed: no [such] thing",
        "4/5 digits/vit/row/seed-3, 0:00:12 left",  # 36 s for three
        "5/5 digits/vit/row/seed-4",
    ]


def test_a_terminal_has_a_bar():
    reports = [CellReport(Cell(ROW, 1), "no such thing"), CellReport(Cell(ROW, 2), None)]
    shown = follow(reports, [10, 20], force_terminal=True, force_interactive=True)
    assert "digits/vit/row/seed-1 failed: no such thing" in shown
    assert "3/5" in shown
    assert "digits/vit/row/seed-2, 1 failed" in shown
