"""Report one run to the experiment trackers of its recipe."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from reorder_kit.experiment.doubts import doubts
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces.finding import merged
from reorder_kit.interfaces.part import Part
from reorder_kit.interfaces.run_events import RunInfo
from reorder_kit.interfaces.tracker import Status, TrackedRun, Tracker
from reorder_kit.runs.data_record import DataRecord
from reorder_kit.runs.epoch_record import EpochRecord, read_epochs
from reorder_kit.runs.figures import is_number
from reorder_kit.runs.result import RunResult
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.runs.tracker_record import TrackerRecord

PICTURES = "*.png"


class Tracking:
    """Reports the events of a run to its trackers. No epoch is reported twice, even across a resume.

    As a context manager, it reports an error that ends the run.

    Args:
        experiment: the parts of the run, including its trackers.
        info: facts about the run.
        host: reports errors of trackers.
        is_main_process: whether this is the main process; only that one reports.
    """

    def __init__(self, experiment: Experiment, info: RunInfo, host: PluginHost, is_main_process: bool) -> None:
        self._experiment, self._info = experiment, info
        self._folder = RunFolder(info.directory)
        parts = experiment.trackers if is_main_process else ()
        self._told = [_Told(part, self._folder, host) for part in parts]

    def __enter__(self) -> None:
        """Do nothing yet, because the run may already be under way."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        is_stopped = isinstance(error, KeyboardInterrupt)
        for told in self._told:
            if not is_stopped:
                told.note(f"the run failed: {error}")
            told.finish("stopped" if is_stopped else "failed", {})

    def start(self) -> None:
        """Begin, or continue after a resume with the epochs that a tracker has missed."""
        if not self._told:
            return
        run = self._run()
        for told in self._told:
            told.start(run)
            told.catch_up(self._found, self._earlier)

    def log(self, record: EpochRecord) -> None:
        """Report an epoch."""
        for told in self._told:
            told.log(record)

    def finish(self, summary: Mapping[str, float]) -> None:
        """Report that the run is finished.

        Args:
            summary: metrics of the whole run.
        """
        for told in self._told:
            told.finish("finished", summary)

    def _earlier(self) -> list[EpochRecord]:
        """The epochs before the run was resumed."""
        done = self._info.first_epoch - 1
        return read_epochs(self._folder.metrics)[:done] if done else []

    def _found(self) -> Iterator[str]:
        """Findings before the first epoch; for controls and a search, the run reports them."""
        if self._info.first_epoch > 1 or "/" in self._info.name:
            return
        yield from doubts(self._experiment)
        for finding in DataRecord.read(self._folder.data).findings:
            yield f"data: {finding}"

    def _run(self) -> TrackedRun:
        """The facts about the run that do not depend on the tracker."""
        info, (own, *inside) = self._info, self._info.name.split("/")
        config = {key: value for key, value in self._experiment.resolved().items() if key != "trackers"}
        place = {"device": info.device, "parameters": info.parameters, "grid": str(info.grid)}
        return TrackedRun(
            id="",
            name="/".join([own, *inside[-1:]]),
            group=own,
            kind="control" if "controls" in inside else "search" if inside else "run",
            is_resumed=False,
            directory=info.directory,
            config={**config, "run": place},
            headline=info.headline,
            higher_is_better=info.higher_is_better,
        )


class _Told:
    """A tracker, and what has been reported to it. If it fails to start, nothing more is reported to it."""

    def __init__(self, part: Part[Tracker], folder: RunFolder, host: PluginHost) -> None:
        self._part, self._folder, self._host = part, folder, host
        provider = host.owner_of(Tracker.kind.name, part.name)
        self._words = f"tracker {part.name!r}" + (f" of {provider}" if provider else "")
        self._tracker: Tracker | None = None
        self._record = TrackerRecord(id=secrets.token_hex(8), epochs=0)
        self._epoch = 0
        self._found: set[str] = set()

    def start(self, run: TrackedRun) -> None:
        self._tell("start", self._start, run)

    def catch_up(self, found: Callable[[], Iterator[str]], earlier: Callable[[], list[EpochRecord]]) -> None:
        def told() -> None:
            for text in found():
                self.note(text)
            for record in earlier():
                self.log(record)

        if self._tracker is not None:
            self._tell("start", told)

    def note(self, text: str) -> None:
        if self._tracker is not None:
            self._tell("note", self._tracker.note, self._epoch, text)

    def log(self, record: EpochRecord) -> None:
        self._epoch = record.epoch
        new = list(self._new(record))
        if self._tracker is None or record.epoch <= self._record.epochs:
            return
        self._tell("log", self._log, self._tracker, record)
        for text in new:
            self.note(text)

    def finish(self, status: Status, summary: Mapping[str, float]) -> None:
        tracker, self._tracker = self._tracker, None
        if tracker is None:
            return
        if status == "finished":
            for file in self._files(tracker.options.files):
                self._tell("save", tracker.save, file)
        self._tell("finish", tracker.finish, status, dict(summary))

    def _start(self, run: TrackedRun) -> None:
        tracker, path = self._part.build(), self._folder.tracker(self._part.name)
        is_resumed = path.exists()
        if is_resumed:
            self._record = TrackerRecord.read(path)
        group = tracker.options.group or run.group
        config = deepcopy(run.config)
        tracker.start(replace(run, id=self._record.id, group=group, is_resumed=is_resumed, config=config))
        self._write(self._record.epochs)
        self._tracker = tracker

    def _log(self, tracker: Tracker, record: EpochRecord) -> None:
        # Written before logging: a kill in between loses one epoch, but none is logged twice.
        self._write(record.epoch)
        tracker.log(record.epoch, record.scalars())

    def _write(self, epochs: int) -> None:
        path = self._folder.tracker(self._part.name)
        path.parent.mkdir(exist_ok=True)
        self._record = TrackerRecord(id=self._record.id, epochs=epochs)
        self._record.write(path)

    def _new(self, record: EpochRecord) -> Iterator[str]:
        """Findings of an epoch that are new."""
        found = merged([*record.findings, *record.validation.findings])
        for finding in (each for each in found if each.what not in self._found):
            self._found.add(finding.what)
            yield str(finding)
        if record.unreadable:
            yield f"{len(record.unreadable)} training images could not be read, such as {record.unreadable[0]}"

    def _files(self, asked: str) -> Iterator[Path]:
        """The files of the run folder to store."""
        pictures = sorted(self._folder.path.glob(PICTURES)) if asked == "pictures" else []
        yield from (file for file in (self._folder.order, *pictures) if asked != "none" and file.exists())

    def _tell(self, event: str, method: Any, *facts: Any) -> None:
        self._host.tell(self._words, event, method, *facts)


def summary_of(result: RunResult) -> dict[str, float]:
    """Metrics of a whole run, by names such as ``test/top1`` and ``controls/fixed-start/test/top1``."""
    splits = {"test": result.metrics.test}
    for name, control in result.controls.items():
        if control.metrics is not None:
            splits[f"controls/{name}/test"] = control.metrics.test
    figures = {f"{split}/{name}": value for split, of_split in splits.items() for name, value in dict(of_split).items()}
    return {
        "total_seconds": result.seconds,
        **{name: float(value) for name, value in figures.items() if is_number(value)},
    }
