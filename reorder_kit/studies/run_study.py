"""Run a study from start to end: train the missing runs, here or elsewhere, and summarize."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.engine import Executor, work_through
from reorder_kit.jobs.failure_note import note_failure
from reorder_kit.jobs.place import Place
from reorder_kit.recipe.overrides import override
from reorder_kit.studies.cell_run import CellRun
from reorder_kit.studies.cells import Cell, cells_of, recipe_of
from reorder_kit.studies.checking import CheckedStudy, check_study
from reorder_kit.studies.library import find_study
from reorder_kit.studies.plan import Plan, plan_of
from reorder_kit.studies.results import Failure, StudyResult
from reorder_kit.studies.study_file import with_recipe
from reorder_kit.studies.study_folder import StudyFolder
from reorder_kit.studies.summary import Summary


@dataclass(frozen=True)
class CellReport:
    """A run that has ended.

    Args:
        cell: the run.
        failure: why it failed; None if it finished.
    """

    cell: Cell
    failure: str | None


Progress = Callable[[int, int], AbstractContextManager[Callable[[CellReport], None]]]
"""Given the numbers of all runs and of finished ones, a context that yields a callback for each run that ends."""


@dataclass(frozen=True)
class StudyOutcome:
    """The outcome of a command for a study.

    Args:
        plan: the plan of the study.
        finished: number of runs that had already finished.
        failures: runs that failed.
        results: the results; None if the study was only planned or smoke-tested.
    """

    plan: Plan
    finished: int
    failures: Sequence[Failure] = ()
    results: StudyResult | None = None

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON data."""
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
        host: the plugins; worker processes load them again.
        command: the command or call, for the record.
    """

    checked: CheckedStudy
    folder: StudyFolder
    host: PluginHost
    command: str

    @classmethod
    def open(
        cls,
        study: str | Mapping[str, Any],
        changes: Iterable[tuple[str, Any]],
        out: Path | None,
        host: PluginHost,
        command: str,
        device: str | None = None,
    ) -> StudyRun:
        """Open a study by file, name or content, and check all of it.

        Args:
            study: a file, the name of a shipped study, or a study's content, whose paths are relative to the working
                directory.
            changes: fields to replace, with their new values.
            out: its folder; ``runs/NAME`` if not given.
            host: the plugins.
            command: the command or call, for the record.
            device: ``train.device`` of all runs; as in their recipe if not given.

        Raises:
            ReorderKitError: if the study does not exist, listing every mistake in it, or if the folder holds another
                study.
        """
        if isinstance(study, Mapping):
            content, place, source = study, Path(), "study"
        else:
            (content, place), source = find_study(study), study
        changed = override(content, changes)
        if device is not None:
            changed = override(with_recipe(changed, place)[0], [("recipe.train.device", device)])
        checked = check_study(changed, host, source, place)
        folder = StudyFolder(out or Path("runs") / checked.study.name)
        folder.check(checked.study)
        return cls(checked, folder, host, command)

    @property
    def cells(self) -> list[Cell]:
        """All runs of the study."""
        return cells_of(self.checked.study, self.host)

    @property
    def plan(self) -> Plan:
        """The plan of the study."""
        plan = plan_of(self.checked.study, self.host)
        return replace(plan, warnings=(*plan.warnings, *self.checked.warnings))

    def missing(self) -> list[Cell]:
        """The runs that are not finished."""
        return [cell for cell in self.cells if not self.folder.run(cell).is_finished]

    def perform(self, place: Place, progress: Progress, is_tried_first: bool, is_dry: bool) -> StudyOutcome:
        """Smoke-test the rows if requested, and train the study if none of them failed.

        Args:
            place: where to train.
            progress: shows the progress.
            is_tried_first: train a few steps of every row first.
            is_dry: train nothing else.

        Raises:
            ReorderKitError: as for :meth:`train`.
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
        """Train the missing runs; failed runs do not stop the others.

        Args:
            executor: where to train.
            tell: called for each run that ends.

        Raises:
            ReorderKitError: if the folder holds something else, or another process is using it.
        """
        with self.folder.held_for(self.checked.study):
            summary = Summary(self.checked, self.folder, self.cells, self.command)
            try:
                with executor:
                    for report in self._train(self.missing(), self.folder, executor, is_smoke=False):
                        tell(report)
                        summary.write_now_and_then()
            except BaseException:  # including a stop by the user
                with suppress(ReorderKitError):  # report the stop instead
                    summary.write_if_quick()
                raise
            return summary.write()

    def smoke(self, executor: Executor[CellRun], tell: Callable[[CellReport], None]) -> list[Failure]:
        """Train a few steps with the first seed of every row, in a temporary folder.

        Args:
            executor: where to train.
            tell: called for each run that ends.

        Returns:
            The rows that failed.
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
            if ended.failure is not None:  # its process was killed; the run records all other failures itself
                note_failure(run.folder, ended.failure)
            yield CellReport(run.cell, folder.failure(run.cell))
