"""A study from start to end: train what is missing, wherever it is trained, and sum up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.engine import Executor, work_through
from reorder_kit.jobs.failure_note import note_failure
from reorder_kit.jobs.place import Place
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.studies.cell_run import CellRun
from reorder_kit.studies.cells import Cell, cells_of, recipe_of
from reorder_kit.studies.checking import CheckedStudy, check_study
from reorder_kit.studies.library import find_study
from reorder_kit.studies.plan import Plan, plan_of
from reorder_kit.studies.results import Failure, StudyResult
from reorder_kit.studies.study_folder import StudyFolder
from reorder_kit.studies.summary import Summary


@dataclass(frozen=True)
class CellReport:
    """A run has ended.

    Args:
        cell: which.
        failure: why it is not finished; None if it is.
    """

    cell: Cell
    failure: str | None


Progress = Callable[[int, int], AbstractContextManager[Callable[[CellReport], None]]]
"""Given how many runs there are and how many of them are finished, what is told of each that ends."""


@dataclass(frozen=True)
class StudyOutcome:
    """What a command has done for a study.

    Args:
        plan: what there is to be done in all.
        finished: runs that had been finished before.
        failures: what could not be trained.
        results: what came out; None if the study was planned or tried only.
    """

    plan: Plan
    finished: int
    failures: Sequence[Failure] = ()
    results: StudyResult | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        if self.results is not None:
            return self.results.as_dict()
        failures = [asdict(failure) for failure in self.failures]
        return {**self.plan.as_dict(), "finished": self.finished, "failures": failures}


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

    @classmethod
    def open(cls, study: str, assignments: Iterable[str], out: Path | None, host: PluginHost, command: str) -> StudyRun:
        """A study by file or name, checked as a whole.

        Args:
            study: a file, or the name of a shipped study.
            assignments: ``field=value``, of fields to be replaced.
            out: its folder; ``runs/NAME`` if not given.
            host: the plugins.
            command: how it was called.

        Raises:
            ReorderKitError: if there is no such study, with every mistake in it, or if the folder holds another one.
        """
        content, place = find_study(study)
        checked = check_study(override(content, map(parse_assignment, assignments)), host, study, place)
        folder = StudyFolder(out or Path("runs") / checked.study.name)
        folder.check(checked.study)
        return cls(checked, folder, host, command)

    @property
    def cells(self) -> list[Cell]:
        """All runs."""
        return cells_of(self.checked.study, self.host)

    @property
    def plan(self) -> Plan:
        """What there is to be done in all."""
        return plan_of(self.checked.study, self.host)

    def missing(self) -> list[Cell]:
        """Runs that are not finished."""
        return [cell for cell in self.cells if not self.folder.run(cell).is_finished]

    def perform(self, place: Place, progress: Progress, is_tried_first: bool, is_dry: bool) -> StudyOutcome:
        """Try the rows if that is asked for, and train the study if none of them failed.

        Args:
            place: where.
            progress: follows what is done.
            is_tried_first: take a few steps of every row first.
            is_dry: train nothing else.

        Raises:
            ReorderKitError: as :meth:`train`.
        """
        done = StudyOutcome(self.plan, finished=len(self.cells) - len(self.missing()))
        if is_dry and not is_tried_first:
            return done
        executor = place.executor(self.folder.jobs, self.checked.on_gpu)
        if is_tried_first:
            with progress(len(done.plan.rows), 0) as tell:
                done = replace(done, failures=self.smoke(executor, tell))
        if is_dry or done.failures:
            return done
        with progress(done.plan.runs, done.finished) as tell:
            results = self.train(executor, tell)
        return replace(done, failures=results.failures, results=results)

    def train(self, executor: Executor[CellRun], tell: Callable[[CellReport], None]) -> StudyResult:
        """Train what is missing; what cannot be trained does not stop the others.

        Args:
            executor: where.
            tell: called for each run that ends.

        Raises:
            ReorderKitError: if the folder holds something else, or another process is at work in it.
        """
        with self.folder.held_for(self.checked.study):
            summary = Summary(self.checked, self.folder, self.cells, self.command)
            try:
                with executor:
                    for report in self._train(self.missing(), self.folder, executor, is_smoke=False):
                        tell(report)
                        summary.write_now_and_then()
            except BaseException:  # stopped by a person, too
                with suppress(ReorderKitError):  # what is told is the stop
                    summary.write_if_quick()
                raise
            return summary.write()

    def smoke(self, executor: Executor[CellRun], tell: Callable[[CellReport], None]) -> list[Failure]:
        """Take a few steps with the first seed of every row, in a folder that is thrown away.

        Args:
            executor: where.
            tell: called for each run that ends.

        Returns:
            What cannot be trained.
        """
        seed = self.checked.study.seeds[0]
        with self.folder.held_for(self.checked.study):
            trial = StudyFolder(self.folder.smoke)
            shutil.rmtree(trial.path, ignore_errors=True)
            failures = []
            try:
                with executor:
                    cells = [cell for cell in self.cells if cell.seed == seed]
                    for report in self._train(cells, trial, executor, is_smoke=True):
                        tell(report)
                        if report.failure is not None:
                            failures.append(Failure(str(report.cell), report.failure))
            finally:
                shutil.rmtree(trial.path, ignore_errors=True)
        return failures

    def _train(
        self, cells: Sequence[Cell], folder: StudyFolder, executor: Executor[CellRun], is_smoke: bool
    ) -> Iterator[CellReport]:
        def is_ready(run: CellRun) -> bool:
            return run.cell.after is None or folder.run(run.cell.after).is_finished

        runs = [
            CellRun(
                cell,
                recipe_of(self.checked.study, cell, self.host, folder.path),
                folder.run(cell).path,
                None if is_smoke else folder.splits,
                is_smoke,
            )
            for cell in cells
        ]
        for ended in work_through(runs, executor, is_ready):
            run = ended.work
            if ended.failure is not None:  # its process was killed; what else goes wrong, the run notes itself
                note_failure(run.folder, ended.failure)
            yield CellReport(run.cell, folder.failure(run.cell))
