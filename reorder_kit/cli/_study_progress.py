"""Progress of a study for people: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from reorder_kit.cli._run_progress import duration

if TYPE_CHECKING:
    from rich.console import Console

    from reorder_kit.studies.run_study import CellReport


class StudyProgress:
    """A context that shows the progress of a study's runs.

    Args:
        console: the console to write to; without a terminal, each run is a line instead of a bar.
        runs: the number of all runs.
        finished: the number of runs that had already finished.
        clock: returns the time in seconds.
    """

    def __init__(self, console: Console, runs: int, finished: int, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console, self._runs, self._ended, self._before, self._clock = console, runs, finished, finished, clock
        self._began = clock()
        self._failed = 0
        self._bar = Progress(
            MofNCompleteColumn(),
            TextColumn("runs", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[last]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            redirect_stdout=False,  # standard output is for results and may be a file
            disable=not console.is_interactive,
            speed_estimate_period=3600,
        )
        self._task = self._bar.add_task("study", total=runs, completed=finished, last="")

    def __enter__(self) -> StudyProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def tell(self, report: CellReport) -> None:
        """Record that a run has ended."""
        self._ended += 1
        if report.failure is not None:
            self._failed += 1
            self._print(f"{report.cell} failed: {report.failure}")
        elif not self._console.is_interactive:
            self._print(f"{self._ended}/{self._runs} {report.cell}{self._left()}")
        failed = f", {self._failed} failed" if self._failed else ""
        self._bar.update(self._task, completed=self._ended, last=f"{report.cell}{failed}")

    def _left(self) -> str:
        left = self._runs - self._ended
        seconds = (self._clock() - self._began) / (self._ended - self._before) * left
        return f", {duration(seconds)} left" if left else ""

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
