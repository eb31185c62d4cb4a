"""Run a race from start to end: prepare it, let workers train, and summarize."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.reopening import other_fields
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.engine import Executor, work_through
from reorder_kit.jobs.place import Place
from reorder_kit.race.candidate import MOST_SEEDS
from reorder_kit.race.opened import without_learner
from reorder_kit.race.plan import require_budget
from reorder_kit.race.pool import Brought
from reorder_kit.race.prepare import Asked, prepare, require_same
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.race_images import require_same_for_proof
from reorder_kit.race.results import RaceResult
from reorder_kit.race.setup import RaceSetup
from reorder_kit.race.standing import Standing
from reorder_kit.race.storage import RaceStorage, require_database, require_url
from reorder_kit.race.summary import summarize
from reorder_kit.race.worker import RaceWork, Tell, Worker
from reorder_kit.recipe.write_yaml import write_yaml
from reorder_kit.runs.folder_lock import LOCK, Lock, holds_nothing
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.statistics.headline import Headline
from reorder_kit.training.launch import require_one_process
from reorder_kit.whole_file import UNFINISHED, write_unless_same
from reorder_kit.writable import require_writable_folder

SECONDS_BETWEEN_LOOKS = 1.0
"""How often to check the progress of workers in other processes."""

Progress = Callable[[Standing], AbstractContextManager[Tell]]
"""Given the first standing, a context that yields a callback for every change."""


@dataclass(frozen=True)
class RaceRun:
    """A race and its folder.

    Args:
        asked: the user's request.
        folder: the folder of the race.
        seeds: number of seeds of the proof.
        host: the plugins; other processes load them again.
    """

    asked: Asked
    folder: RaceFolder
    seeds: int
    host: PluginHost

    @classmethod
    def open(
        cls,
        content: Mapping[str, Any],
        source: str,
        host: PluginHost,
        budget: float,
        seeds: int,
        brought: Brought | None = None,
        storage: str | None = None,
        out: Path | None = None,
    ) -> RaceRun:
        """Open a race and check everything that can be checked without data.

        Args:
            content: the recipe as plain data.
            source: name of the recipe in messages.
            host: the plugins.
            budget: budget in full training runs.
            seeds: number of fresh seeds of the proof; 0 for no proof. An existing proof in the folder never shrinks.
            brought: orders added by the user.
            storage: URL of a database for Optuna; a file in the folder of the race if not given.
            out: its folder; ``runs/NAME-race`` if not given.

        Raises:
            ReorderKitError: if the recipe or the budget is invalid, or the folder holds something else.
        """
        if not 0 <= seeds <= MOST_SEEDS:
            raise ReorderKitError(f"--seeds {seeds}: give 0 to {MOST_SEEDS:,} fresh seeds", "as in --seeds 3")
        require_budget(budget)
        require_one_process(os.environ, "a race", "run it without a launcher; --jobs 4 uses four processes")
        if storage is not None:
            require_url(storage)
        experiment = compose(content, host, source)
        folder = RaceFolder(out or Path("runs") / f"{experiment.recipe.name}-race")
        asked = Asked(experiment, content, budget, brought or Brought(), storage)
        run = cls(asked, folder, seeds, host)
        run.check()
        return replace(run, seeds=max(seeds, run.proven_seeds))

    @property
    def proven_seeds(self) -> int:
        """The number of fresh seeds of the proof that the folder already holds.

        Raises:
            ReorderKitError: if the file is damaged.
        """
        return RaceResult.read(self.folder.results).seeds if self.folder.results.exists() else 0

    def check(self) -> None:
        """Refuse a folder that holds something else.

        Raises:
            ReorderKitError: naming the fields that differ.
        """
        path = self.folder.path
        if not self.folder.setup.exists():
            if path.exists() and not (holds_nothing(path) or self._was_killed_early()):
                raise ReorderKitError(f"{path} is not an empty folder and holds no race", "give another --out")
            return
        different = other_fields(RunFolder(path), self.asked.experiment.resolved())
        if different:
            raise ReorderKitError(
                f"{path} holds a race of another recipe; these fields differ: {', '.join(different)}",
                "give another --out",
            )
        require_same(self.asked, RaceSetup.read(self.folder.setup), path)

    def _was_killed_early(self) -> bool:
        """Whether the folder holds the beginning of this race, from before it was prepared."""
        folder, path = self.folder, self.folder.path
        begun = {
            LOCK,
            folder.recipe.name,
            folder.splits.parent.name,
            folder.journal.name,
            f".{folder.journal.name}.lock",
        }
        if not (path.is_dir() and folder.recipe.exists()):
            return False
        there = {file.name for file in path.iterdir() if file.suffix != UNFINISHED}
        return there <= begun and not other_fields(RunFolder(path), self.asked.experiment.resolved())

    def planned(self, announce: Callable[[str], None]) -> RaceSetup:
        """Prepare the race without writing anything.

        Args:
            announce: called with a message before a slow step.
        """
        if self.folder.setup.exists():
            return RaceSetup.read(self.folder.setup)
        return prepare(self.asked, self.folder, self.host, announce)[0]

    def begin(self, announce: Callable[[str], None]) -> RaceSetup:
        """Prepare the race and save its setup; a second command for the same folder waits and joins.

        Args:
            announce: called with a message before a slow step.

        Raises:
            ReorderKitError: if the folder cannot be written, or holds something else.
        """
        require_writable_folder(self.folder.path)
        with self._held():
            self.check()  # another command may have begun in the meantime
            if self.folder.setup.exists():
                return RaceSetup.read(self.folder.setup)
            if self.asked.storage is not None:
                require_database(self.asked.storage)  # checked first because priors take minutes
            setup, data = prepare(self.asked, self.folder, self.host, announce)
            if self.seeds:
                require_same_for_proof(without_learner(self.asked.experiment), data)
            with writing(self.folder.path):
                resolved = self.asked.experiment.resolved()
                write_unless_same(self.folder.recipe, write_yaml(resolved, str(self.folder.recipe)))
                if data.images is not None:
                    self.folder.splits.unlink(missing_ok=True)  # left by an attempt that was killed
                    data.images.write(self.folder.splits)
                RaceStorage(self.folder.journal, self.asked.storage, setup.study).close()
                setup.write(self.folder.setup)
            return setup

    def train(self, place: Place | None, progress: Progress) -> RaceResult:
        """Train what is missing, and summarize.

        Args:
            place: where workers train; None for this process only.
            progress: shows the progress.

        Raises:
            ReorderKitError: if a training fails.
        """
        with Worker(self.folder, self.asked.storage, self.seeds, self.host) as own:
            standing = own.standing()
            with progress(standing) as tell:
                if not standing.is_over and place is not None:
                    self._train_elsewhere(place, tell)
                standing = own.work(tell)  # trains whatever is left
        task = self.asked.experiment.task
        with self._held(), writing(self.folder.path):
            if self.proven_seeds > standing.seeds:  # another command has asked for more seeds in the meantime
                return self.folder.read_results()
            return summarize(standing, self.folder, Headline(task.headline, task.higher_is_better))

    def _train_elsewhere(self, place: Place, tell: Tell) -> None:
        on_gpu = self.asked.experiment.recipe.train.device != "cpu"
        executor: Executor[RaceWork] = place.executor(self.folder.jobs, on_gpu)
        with executor, self._followed(tell):
            count = place.jobs or executor.free
            workers = [
                RaceWork(self.folder.path.absolute(), self.asked.storage, self.seeds, number + 1)
                for number in range(count)
            ]
            failures = [ended for ended in work_through(workers, executor) if ended.failure is not None]
        if len(failures) == len(workers):  # otherwise the other workers have done its share
            reasons = "\n".join(f"{each.work}: {each.failure}" for each in failures)
            raise ReorderKitError(reasons, "run the same command again to resume")

    @contextmanager
    def _followed(self, tell: Tell) -> Iterator[None]:
        """Report the standing while workers train elsewhere."""
        is_over = threading.Event()

        def follow() -> None:
            with suppress(ReorderKitError), Worker(self.folder, self.asked.storage, self.seeds, self.host) as eyes:
                while not is_over.wait(SECONDS_BETWEEN_LOOKS):
                    tell(eyes.standing())

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the folder briefly, as soon as no other command holds it."""
        with writing(self.folder.path):
            self.folder.path.mkdir(parents=True, exist_ok=True)
            lock = Lock(self.folder.path / LOCK)
            lock.take(wait=True)
        try:
            yield
        finally:
            lock.remove()
