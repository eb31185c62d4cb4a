"""A safe search: the run trains in the order found only if short trainings favor it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from reorder_kit.data.data_loading import steps_of_epoch
from reorder_kit.data.random_streams import stream
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.recorded_data import OpenedData
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import DataSplits, Trials
from reorder_kit.orders.checksums import DAMAGED
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.runs.validated_record import PairedLosses, SearchVerdict, ValidatedRecord
from reorder_kit.statistics.paired_losses import paired_test
from reorder_kit.training.beginning import Beginning
from reorder_kit.training.description import write_description
from reorder_kit.training.judged_images import judged_images
from reorder_kit.training.order_log import order_file
from reorder_kit.training.trainer import Trainer
from reorder_kit.training.trial import TrialResult, run_trial

LEVEL = 0.05
"""The p-value below which a learned order is accepted."""


def begun_in(experiment: Experiment, folder: RunFolder) -> RunFolder:
    """The folder with the data that a run began with: its search's, as long as the run itself has no checkpoint."""
    search = RunFolder(folder.search)
    is_searching = experiment.trials is not None and folder.latest_checkpoint() is None
    return search if is_searching and search.latest_checkpoint() is not None else folder


def settle(
    name: str,
    experiment: Experiment,
    data: OpenedData,
    split_file: Path,
    beginning: Beginning,
    folder: RunFolder,
    accelerator: Accelerator,
    host: PluginHost,
    describe: Callable[[], None],
) -> Experiment:
    """Search, judge the order found, and return the run that trains in it or in the start.

    Finished parts are read instead of repeated. The run does not depend on the search in any other way, so a run whose
    order is rejected is bit for bit the same as one that never searched.

    Args:
        name: the run's name for listeners.
        experiment: its parts; its learner asks for trials.
        data: its images.
        split_file: the file with their names.
        beginning: what is known about the run, and the starting order.
        folder: the run folder.
        accelerator: device and processes.
        host: the plugins, which follow the trainings.
        describe: writes the run's description into its folder; called by one process before anything else is written.

    Raises:
        ReorderKitError: if a training fails, or a file is damaged.
    """
    start = beginning.start
    accelerator.wait_for_everyone()  # before any process reads a file that another one writes
    if not folder.validated.exists():
        search = _Search(name, experiment, data, split_file, beginning, folder, accelerator, host)
        verdict = search.verdict(describe)
        if accelerator.is_main_process:
            ValidatedRecord(verdict=verdict).write(folder.validated)
        accelerator.wait_for_everyone()
    verdict = ValidatedRecord.read(folder.validated).verdict
    if verdict.start != start.indices.tolist():
        raise ReorderKitError(f"{folder.validated}: belongs to a run with another start", DAMAGED)
    return experiment.settled(Order(verdict.learned, start.num_patches) if verdict.is_accepted else start)


class _Search:
    """A search and its trials; the arguments are those of :func:`settle`."""

    def __init__(
        self,
        name: str,
        experiment: Experiment,
        data: OpenedData,
        split_file: Path,
        beginning: Beginning,
        folder: RunFolder,
        accelerator: Accelerator,
        host: PluginHost,
    ) -> None:
        self._name, self._experiment, self._data, self._split_file = name, experiment, data, split_file
        self._beginning, self._start, self._folder = beginning, beginning.start, folder
        self._accelerator, self._host = accelerator, host
        self._search_folder = RunFolder(folder.search)

    def verdict(self, describe: Callable[[], None]) -> SearchVerdict:
        """Search, then compare; finished parts are read."""
        if not self._search_folder.order.exists():
            self._search(describe)
        learned = OrderFile.load(self._search_folder.order).order
        checkpoint = self._search_folder.checkpoint()
        if checkpoint is None:
            raise ReorderKitError(f"{self._search_folder.path}: the checkpoint of the search is missing", DAMAGED)
        trials = None if learned == self._start else self._compare(learned)
        return SearchVerdict(
            is_accepted=trials is not None and trials.gain > 0 and trials.p < LEVEL,
            start=self._start.indices.tolist(),
            learned=learned.indices.tolist(),
            level=LEVEL,
            search_seconds=checkpoint.facts.seconds,
            trials=trials,
        )

    @property
    def _splits(self) -> DataSplits:
        return self._data.splits

    @property
    def _steps_per_epoch(self) -> int:
        recipe = self._experiment.recipe
        images, processes = len(self._splits.train), self._accelerator.num_processes
        return steps_of_epoch(images, processes, recipe.data.batch_size, recipe.train.accumulate)

    def _search(self, describe: Callable[[], None]) -> None:
        """Train as long as the learner searches, and write the order."""
        folder, accelerator = self._search_folder, self._accelerator
        searching = search_alone(self._experiment, self._steps_per_epoch)
        name = f"{self._name}/search"
        # Build the model, which the run uses, too, before writing anything.
        context = self._beginning.context
        trainer = Trainer(name, searching, self._splits, context, self._start, folder, accelerator, self._host)
        if accelerator.is_main_process and folder.latest_checkpoint() is None:
            describe()
            write_description(searching, self._beginning, self._data, self._split_file, folder, accelerator, self._host)
        accelerator.wait_for_everyone()
        with trainer.tracking:
            trainer.train()
            summary = trainer.summarize_order()
            if summary.is_consensus:
                raise ReorderKitError("search: validated judges one order, but the learner gives each image its own")
            if accelerator.is_main_process:
                order_file(name, trainer.info.grid, summary).save(folder.order)
            accelerator.wait_for_everyone()
            trainer.tracking.finish({})
        accelerator.free_memory()  # it keeps every model it has prepared

    def _compare(self, learned: Order) -> PairedLosses:
        """Train in both orders with several seeds, and compare the losses image by image."""
        experiment = self._experiment
        trials = experiment.trials
        assert isinstance(trials, Trials)
        full = experiment.recipe.train.epochs_of(self._steps_per_epoch) * self._steps_per_epoch
        steps = trials.steps_of(round(full))
        judged = judged_images(experiment, self._splits, self._accelerator)
        seeds = [stream(experiment.recipe.seed, "trial", number) % 2**32 for number in range(trials.seeds)]
        found: dict[str, list[TrialResult]] = {"start": [], "learned": []}
        for number, seed in enumerate(seeds):
            for which, order in (("start", self._start), ("learned", learned)):
                folder = self._folder.trials / f"{which}-{number}"
                found[which].append(
                    run_trial(experiment, order, seed, steps, folder, self._host, judged, self._accelerator)
                )
        in_start, in_learned = (_losses(found[which]) for which in ("start", "learned"))
        test = paired_test(in_start - in_learned)
        return PairedLosses(
            seeds=seeds,
            steps=steps,
            judged=judged.words,
            images=in_start.shape[1],
            start=in_start.mean(axis=1).tolist(),
            learned=in_learned.mean(axis=1).tolist(),
            gain=test.mean,
            standard_error=test.standard_error,
            p=test.p,
            seconds=sum(trial.seconds for each in found.values() for trial in each),
        )


def _losses(trials: Sequence[TrialResult]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.stack([trial.losses for trial in trials]).astype(np.float64)


def search_alone(experiment: Experiment, steps_per_epoch: int) -> Experiment:
    """Only the search of a run: it ends with the search, like the first part of ``search: then-retrain``.

    Its length is counted like the run's: in whole epochs, or in steps.

    Args:
        experiment: the parts of the run.
        steps_per_epoch: optimizer steps per epoch.
    """
    recipe, learner = experiment.recipe, experiment.learner
    assert learner is not None
    full = recipe.train.epochs_of(steps_per_epoch)
    phases = experiment.phases(full)
    if recipe.train.steps is None:
        epochs: float = max(1, math.ceil(phases.end_epoch))
        length = {"epochs": epochs}
    else:
        steps = max(1, round(phases.end_epoch * steps_per_epoch))
        epochs, length = steps / steps_per_epoch, {"steps": steps}
    of_search = phases.of_search(epochs)
    train, schedule = recipe.train.model_copy(update=length), recipe.schedule.of_run(full, steps_per_epoch)
    changed = recipe.model_copy(update={"controls": (), "train": train, "schedule": schedule})
    return replace(experiment, recipe=changed, learner=learner.searching(of_search), beside=(), shortened=of_search)
