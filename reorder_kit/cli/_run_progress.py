"""Progress for people: a bar in a terminal, occasional plain lines in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Finding, merged
from reorder_kit.interfaces.run_events import RunInfo, StepReport
from reorder_kit.orders.order_file import words_of_spread

if TYPE_CHECKING:
    from reorder_kit.runs.epoch_record import EpochRecord
    from reorder_kit.runs.result import RunResult

UNREADABLE_IMAGES_NAMED = 3


class ConsoleProgress:
    """Shows the progress of runs, one after the other, on a console.

    Use it as a context, so that the terminal gets its cursor back when the runs finish or fail.

    Args:
        console: the console to write to; without a terminal, plain lines are written instead of a bar.
        seconds_between_lines: the least time between two epoch lines, except for a run's last.
        clock: returns the time in seconds.
        tell: receives each finding about the images as a line; findings go to the console if not given.
    """

    def __init__(
        self,
        console: Console,
        seconds_between_lines: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._console = console
        self._seconds_between_lines = seconds_between_lines
        self._clock = clock
        self._view: _Bar | _Lines | None = None
        self._reported: set[str] = set()
        self._tell_person = tell or partial(_print, console)

    def __enter__(self) -> ConsoleProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_view()

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        """Introduce the run and start showing its progress."""
        self._close_view()
        for line in introduction(run):
            _print(self._console, line)
        if self._console.is_interactive:
            self._view = _Bar(self._console, run)
        else:
            self._view = _Lines(self._console, run, self._seconds_between_lines, self._clock)

    @hookimpl
    def step_finished(self, run: RunInfo, report: StepReport) -> None:
        """Update the progress."""
        if self._view:
            self._view.step(report)

    @hookimpl
    def epoch_finished(self, run: RunInfo, epoch: int, record: EpochRecord) -> None:
        """Show the figures of the epoch, unreadable images and findings about the others."""
        if self._view:
            self._view.epoch(epoch, record)
        unreadable = [*record.unreadable, *record.validation.unreadable]
        if unreadable:
            self._tell_person(f"{run.name}: epoch {epoch}/{run.epochs}, {describe_unreadable(unreadable)}")
        self._tell(run, merged([*record.findings, *record.validation.findings]))
        # The finished bar of a run stays in place; later output goes below it.
        if epoch == run.epochs:
            self._close_view()

    @hookimpl
    def run_finished(self, run: RunInfo, result: RunResult) -> None:
        """Print the result."""
        self._close_view()
        self._tell(run, result.metrics.test.findings)
        _print(self._console, f"{run.name}: test {run.headline} {result.score:.3f}")
        if result.order.spread is not None:
            _print(self._console, f"  {words_of_spread(result.order.spread)}")

    def _tell(self, run: RunInfo, findings: Iterable[Finding]) -> None:
        """Report each finding once across all runs and splits."""
        for finding in findings:
            if finding.what not in self._reported:
                self._reported.add(finding.what)
                self._tell_person(f"{run.name}: {finding}")

    def _close_view(self) -> None:
        if self._view:
            self._view.close()
        self._view = None


class _Bar:
    """A progress bar for one run, with figures."""

    def __init__(self, console: Console, run: RunInfo) -> None:
        self._run = run
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            # Standard output is for results and may be a file.
            redirect_stdout=False,
        )
        done = (run.first_epoch - 1) * run.steps_per_epoch
        total = run.epochs * run.steps_per_epoch
        fields: dict[str, Any] = {"epoch": run.first_epoch, "epochs": run.epochs, "figures": ""}
        self._task = self._progress.add_task(run.name, total=total, completed=done, **fields)
        self._report: StepReport | None = None
        self._progress.start()

    def step(self, report: StepReport) -> None:
        self._report = report
        shown = figures(self._run, report.loss, report.headline, report.images_per_second)
        epoch = (report.step - 1) // self._run.steps_per_epoch + 1
        self._progress.update(self._task, completed=report.step, epoch=epoch, figures=shown)

    def epoch(self, epoch: int, record: EpochRecord) -> None:
        speed = self._report.images_per_second if self._report else None
        shown = figures(self._run, record.train.loss, record.validation.score(self._run.headline), speed)
        self._progress.update(self._task, completed=epoch * self._run.steps_per_epoch, figures=shown)

    def close(self) -> None:
        self._progress.stop()


class _Lines:
    """An occasional line for an epoch."""

    def __init__(self, console: Console, run: RunInfo, seconds_between: float, clock: Callable[[], float]) -> None:
        self._console = console
        self._run = run
        self._seconds_between = seconds_between
        self._clock = clock
        self._started = clock()
        self._last_line = -math.inf
        self._images_per_second: float | None = None

    def step(self, report: StepReport) -> None:
        self._images_per_second = report.images_per_second

    def epoch(self, epoch: int, record: EpochRecord) -> None:
        now = self._clock()
        if now - self._last_line < self._seconds_between and epoch < self._run.epochs:
            return
        self._last_line = now
        run = self._run
        shown = figures(run, record.train.loss, record.validation.score(run.headline), self._images_per_second)
        seconds_left = (now - self._started) / (epoch - run.first_epoch + 1) * (run.epochs - epoch)
        left = f", {duration(seconds_left)} left" if epoch < run.epochs else ""
        _print(self._console, f"{run.name}: epoch {epoch}/{run.epochs}, {shown}{left}")

    def close(self) -> None:
        """Do nothing: lines need no cleanup."""


def introduction(run: RunInfo) -> list[str]:
    """Introduce a run in a few lines."""
    lines = [f"{run.name}: {run.device}, {run.parameters:,} parameters, {run.grid} grid, epochs: {run.epochs}"]
    if run.images is not None and "/" not in run.name:  # controls of the run have the same data
        lines.append(f"  {run.images}, {len(run.classes):,} classes")
    if run.first_epoch > 1:
        lines.append(f"  resumes at epoch {run.first_epoch}")
    read = run.slots_read
    if read.is_selection:
        lines.append(f"  {read.words}: an order also selects patches here")
    elif read.reached is None:
        lines.append(f"  patches are ordered again before a later block: {read.words}")
    else:
        lines.append(f"  all {read.of} slots reach the readout")
    return lines


def describe_unreadable(unreadable: Sequence[str]) -> str:
    """Say how many images could not be read, and name the first of them."""
    count = "1 image" if len(unreadable) == 1 else f"{len(unreadable)} images"
    further = len(unreadable) - UNREADABLE_IMAGES_NAMED
    more = f" and {further} more" if further > 0 else ""
    return f"{count} could not be read: {', '.join(unreadable[:UNREADABLE_IMAGES_NAMED])}{more}"


def figures(run: RunInfo, loss: float, headline: float | None, images_per_second: float | None) -> str:
    """The loss, the validation score and the speed."""
    parts = [f"loss {loss:.3f}"]
    if headline is not None:
        parts.append(f"validation {run.headline} {headline:.3f}")
    if images_per_second is not None:
        parts.append(f"{images_per_second:,.0f} images/s")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Format as hours, minutes and seconds.

    >>> duration(75)
    '0:01:15'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
