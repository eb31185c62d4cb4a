"""A study from start to end: train what is missing, in whatever is given to train it in, and sum up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.training import Training, forget_failure, note_failure
from reorder_kit.study.cells import Cell, cells_of, recipe_of
from reorder_kit.study.checking import CheckedStudy
from reorder_kit.study.results import Failure, StudyResult
from reorder_kit.study.study_folder import StudyFolder
from reorder_kit.study.summary import Summary


class Trainers(Protocol):
    """Where runs are trained: processes of this machine, or jobs of a cluster."""

    @property
    def free(self) -> int:
        """How many more can be started now."""
        ...

    def start(self, trainings: Sequence[Training]) -> None:
        """Start some, no more than are free."""
        ...

    def wait(self) -> list[tuple[Training, str | None]]:
        """Wait until some have ended: each, and why, if whatever trained it ended before it did."""
        ...


@dataclass(frozen=True)
class CellReport:
    """A run has ended.

    Args:
        cell: which.
        failure: why it is not finished; None if it is.
    """

    cell: Cell
    failure: str | None


@dataclass(frozen=True)
class StudyRun:
    """A study and its folder.

    Args:
        checked: the study.
        folder: its folder.
        host: the plugins; processes load them anew.
        command: how it was called.
    """

    checked: CheckedStudy
    folder: StudyFolder
    host: PluginHost
    command: str

    @property
    def cells(self) -> list[Cell]:
        """All runs."""
        return cells_of(self.checked.study, self.host)

    def missing(self) -> list[Cell]:
        """Runs that are not finished."""
        return [cell for cell in self.cells if not self.folder.run(cell).is_finished]

    def train(self, trainers: Trainers, tell: Callable[[CellReport], None]) -> StudyResult:
        """Train what is missing; what cannot be trained does not stop the others.

        Args:
            trainers: where.
            tell: is told of each run that ends.

        Raises:
            ReorderKitError: if the folder holds something else, or another process is at work in it.
        """
        with self.folder.held_for(self.checked.study):
            summary = Summary(self.checked, self.folder, self.cells, self.command)
            try:
                for report in self._train(self.missing(), self.folder, trainers, is_smoke=False):
                    tell(report)
                    summary.write_now_and_then()
            finally:
                results = summary.write()
        return results

    def smoke(self, trainers: Trainers, tell: Callable[[CellReport], None]) -> list[Failure]:
        """Take a few steps with the first seed of every row, in a folder that is thrown away.

        Returns:
            What cannot be trained.
        """
        seed = self.checked.study.seeds[0]
        with self.folder.held_for(self.checked.study):
            trial = StudyFolder(self.folder.smoke)
            shutil.rmtree(trial.path, ignore_errors=True)
            failures = []
            try:
                cells = [cell for cell in self.cells if cell.seed == seed]
                for report in self._train(cells, trial, trainers, is_smoke=True):
                    tell(report)
                    if report.failure is not None:
                        failures.append(Failure(str(report.cell), report.failure))
            finally:
                shutil.rmtree(trial.path, ignore_errors=True)
        return failures

    def _train(
        self, cells: Sequence[Cell], folder: StudyFolder, trainers: Trainers, is_smoke: bool
    ) -> Iterator[CellReport]:
        waiting = list(cells)
        running: dict[Path, Cell] = {}
        while True:
            ready = [cell for cell in waiting if cell.after is None or folder.run(cell.after).is_finished]
            chosen = ready[: trainers.free]
            if chosen:
                waiting = [cell for cell in waiting if cell not in chosen]
                running |= {folder.run(cell).path: cell for cell in chosen}
                trainers.start([self._training(cell, folder, is_smoke) for cell in chosen])
            ended = trainers.wait()
            if not ended:
                return  # what is still waiting waits for a run that failed
            for training, reason in ended:
                cell = running.pop(training.folder)
                if reason is not None and not folder.run(cell).is_finished and folder.failure(cell) is None:
                    note_failure(training.folder, reason)
                yield CellReport(cell, folder.failure(cell))

    def _training(self, cell: Cell, folder: StudyFolder, is_smoke: bool) -> Training:
        forget_failure(folder.run(cell).path)
        recipe = recipe_of(self.checked.study, cell, self.host, folder.path)
        return Training(recipe, folder.run(cell).path, is_smoke)
