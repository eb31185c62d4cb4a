"""Progress of runs and studies in a Python program: in a notebook, in a terminal, or not shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from reorder_kit.api.notebook import in_notebook
from reorder_kit.api.notebook_bar import NotebookBar
from reorder_kit.hookspecs import hookimpl

if TYPE_CHECKING:
    from reorder_kit.host.plugin_host import PluginHost
    from reorder_kit.interfaces.run_events import RunInfo, StepReport
    from reorder_kit.runs.epoch_record import EpochRecord
    from reorder_kit.runs.result import RunResult
    from reorder_kit.studies.run_study import CellReport, Progress


def is_shown(progress: bool | None) -> bool:
    """Whether progress is shown: as requested, or else in notebooks and terminals."""
    return (in_notebook() or sys.stderr.isatty()) if progress is None else progress


@contextmanager
def progress_of_runs(host: PluginHost, progress: bool | None) -> Iterator[None]:
    """Show the progress of runs that start in this context.

    Args:
        host: the host of the runs.
        progress: as for :func:`is_shown`.
    """
    # Imported on first use: rich takes a moment.
    from reorder_kit.cli._output import console
    from reorder_kit.cli._run_progress import ConsoleProgress

    with ExitStack() as stack:
        if is_shown(progress):
            # Findings about images become warnings instead.
            listener = (
                stack.enter_context(_in_a_cell())
                if in_notebook()
                else stack.enter_context(ConsoleProgress(console(stderr=True), tell=lambda line: None))
            )
            stack.enter_context(host.followed_by(listener, "api.progress"))
        yield


def progress_of_cells(progress: bool | None) -> Progress:
    """Return what shows the progress of a study's runs.

    Args:
        progress: as for :func:`is_shown`.
    """
    if not is_shown(progress):
        return _nothing
    return _cells_in_a_cell if in_notebook() else _cells_on_a_console


class NotebookProgress:
    """Shows the progress of runs, one after the other, in the output of a cell.

    Args:
        bar: the bar to update.
    """

    def __init__(self, bar: NotebookBar) -> None:
        self._bar = bar
        self._speed: float | None = None

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Introduce the run."""
        from reorder_kit.cli._run_progress import introduction

        self._speed = None
        for line in introduction(run):
            self._bar.add(line)

    @hookimpl
    def step_finished(self, run: RunInfo, report: StepReport) -> None:
        """Update the progress."""
        from reorder_kit.cli._run_progress import figures

        self._speed = report.images_per_second
        epoch = (report.step - 1) // run.steps_per_epoch + 1
        shown = figures(run, report.loss, report.headline, report.images_per_second)
        self._bar.move(report.step / (run.epochs * run.steps_per_epoch), f"epoch {epoch}/{run.epochs}, {shown}")

    @hookimpl
    def epoch_finished(self, run: RunInfo, epoch: int, record: EpochRecord) -> None:
        """Show the figures of the epoch."""
        from reorder_kit.cli._run_progress import figures

        shown = figures(run, record.train.loss, record.validation.score(run.headline), self._speed)
        self._bar.move(epoch / run.epochs, f"epoch {epoch}/{run.epochs}, {shown}")

    @hookimpl
    def run_finished(self, run: RunInfo, result: RunResult) -> None:
        """Show the result."""
        self._bar.add(f"{run.name}: test {run.headline} {result.score:.3f}")


@contextmanager
def _in_a_cell() -> Iterator[NotebookProgress]:
    bar = NotebookBar()
    yield NotebookProgress(bar)
    bar.close()  # the bar of an interrupted study stays in place


@contextmanager
def _nothing(runs: int, finished: int) -> Iterator[Callable[[CellReport], None]]:
    yield lambda report: None


@contextmanager
def _cells_on_a_console(runs: int, finished: int) -> Iterator[Callable[[CellReport], None]]:
    from reorder_kit.cli._output import console
    from reorder_kit.cli._study_progress import StudyProgress

    with StudyProgress(console(stderr=True), runs, finished) as shown:
        yield shown.tell


@contextmanager
def _cells_in_a_cell(runs: int, finished: int) -> Iterator[Callable[[CellReport], None]]:
    bar, ended = NotebookBar(seconds_between=0.0), finished

    def tell(report: CellReport) -> None:
        nonlocal ended
        ended += 1
        if report.failure is not None:
            bar.add(f"{report.cell} failed: {report.failure}")
        bar.move(ended / runs, f"{ended}/{runs} runs, {report.cell}")

    bar.move(finished / runs, f"{finished}/{runs} runs")
    yield tell
    bar.close()
