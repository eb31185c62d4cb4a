"""A worker of a race: it trains what no other worker is training, until nothing is left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reorder_kit.errors import DivergedError, ReorderKitError, writing
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.race.candidate import Trial, trial_seed
from reorder_kit.race.opened import without_learner
from reorder_kit.race.proof import ProofRun, recipe_of
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.race_images import open_images, require_same_for_proof
from reorder_kit.race.setup import RaceSetup
from reorder_kit.race.standing import Standing
from reorder_kit.race.storage import RaceStorage
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.runs.folder_lock import Lock
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.judged_images import JudgedImages, judged_images
from reorder_kit.training.run import run_in_program
from reorder_kit.training.trial import run_trial

SECONDS_BETWEEN_LOOKS = 0.5
"""How long a worker waits before checking again for something to train."""

Tell = Callable[[Standing], None]


@dataclass(frozen=True)
class RaceWork:
    """A worker as a unit of work for a process or a cluster job.

    Args:
        folder: the folder of the prepared race.
        storage: URL of a database; None for the journal in the folder.
        seeds: number of seeds of the proof.
        number: number of the worker.
    """

    folder: Path
    storage: str | None
    seeds: int
    number: int

    def __str__(self) -> str:
        return f"worker {self.number}"

    def train(self, host: PluginHost) -> None:
        """Work until the race is over."""
        with Worker(RaceFolder(self.folder), self.storage, self.seeds, host) as worker:
            worker.work(lambda standing: None)


class Worker:
    """Runs the trainings that a race still needs, one at a time.

    Each training is protected by a lock that a killed worker releases; the next worker to take it continues from its
    checkpoint.

    Args:
        folder: the folder of the prepared race.
        storage: URL of a database; None for the journal in the folder.
        seeds: number of seeds of the proof.
        host: the plugins.
    """

    def __init__(self, folder: RaceFolder, storage: str | None, seeds: int, host: PluginHost) -> None:
        self._folder, self._seeds, self._host = folder, seeds, host
        self._setup = RaceSetup.read(folder.setup)
        self._storage = RaceStorage(folder.journal, storage, self._setup.study)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *raised: object) -> None:
        self._storage.close()

    def standing(self) -> Standing:
        """The current standing of the race."""
        return Standing.of(self._setup, self._folder, self._storage.finished(), self._seeds)

    def work(self, tell: Tell) -> Standing:
        """Train until the race and its proof are over.

        Args:
            tell: called with the standing whenever it may have changed.

        Raises:
            ReorderKitError: if a training fails, or a file of the race is damaged.
        """
        while True:
            standing = self.standing()
            tell(standing)
            if standing.is_over:
                return standing
            if not self._trained_something(standing):
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def _trained_something(self, standing: Standing) -> bool:
        """Train one thing that no other worker is training; return False if there is none."""
        for trial in standing.trials:
            with self._held(self._folder.trial(trial)) as is_held:
                if is_held:
                    if trial.key not in self._storage.finished():  # unless another worker was faster
                        self._train(trial)
                    return True
        for run in standing.missing:
            folder = self._folder.proof(run.candidate, run.steps, run.number)
            with self._held(folder.path) as is_held:
                if is_held:
                    if not folder.is_finished:
                        self._prove(run, folder)
                    return True
        return False

    @contextmanager
    def _held(self, folder: Path) -> Iterator[bool]:
        """Whether this worker holds a folder now. The lock is next to the folder: the training has its own lock
        inside.
        """
        with writing(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = Lock(folder.with_name(f".{folder.name}.lock"))
            is_taken = lock.take()
        try:
            yield is_taken
        finally:
            if is_taken:
                lock.remove()

    def _train(self, trial: Trial) -> None:
        number = self._storage.begin(trial)
        try:
            result = run_trial(
                self._experiment,
                trial.candidate.order,
                trial_seed(self._setup.seed, trial.number),
                trial.steps,
                self._folder.trial(trial),
                self._host,
                self._judged,
            )
        except DivergedError:
            self._storage.tell(number, math.inf)  # ranks last
        else:
            self._storage.tell(number, float(result.losses.mean()))

    def _prove(self, run: ProofRun, folder: RunFolder) -> None:
        file = self._folder.order_of(run.candidate)
        OrderFile(run.candidate.name, self._setup.grid_of_patches, run.candidate.order).save(file)
        content = recipe_of(run, self._content, str(file), self._setup.seed)
        require_same_for_proof(self._experiment, open_images(self._experiment, self._setup, self._folder))
        run_in_program(compose(content, self._host, str(folder.path)), self._host, folder.path, self._folder.splits)

    @cached_property
    def _content(self) -> Mapping[str, Any]:
        return read_recipe_file(self._folder.recipe)

    @cached_property
    def _experiment(self) -> Experiment:
        return without_learner(compose(self._content, self._host, str(self._folder.recipe)))

    @cached_property
    def _judged(self) -> JudgedImages:
        data = open_images(self._experiment, self._setup, self._folder)
        judged = judged_images(self._experiment, data.splits)
        if judged.words != self._setup.judged:
            raise ReorderKitError(
                f"{self._folder.path}: the race began with {self._setup.judged}, but now there are {judged.words}",
                "restore the data, or race in another --out",
            )
        return judged
