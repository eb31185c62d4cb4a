"""Trials: short trainings from scratch in a fixed order, which judge the order and never read test images."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from reorder_kit.data.data_loading import require_samples, steps_of_epoch
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.reopening import other_fields
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import TaskContext
from reorder_kit.orders.order import Order
from reorder_kit.recipe.recipe import Recipe
from reorder_kit.recipe.write_yaml import write_yaml
from reorder_kit.runs.data_record import DataRecord
from reorder_kit.runs.fitted_record import FittedRecord
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.runs.test_scores import Scores
from reorder_kit.runs.trial_files import RECORD, read_trial, write_trial
from reorder_kit.runs.trial_record import TrialRecord
from reorder_kit.training.claim import claim_in_program, claimed
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.environment import describe_environment
from reorder_kit.training.failing_machine import resumable
from reorder_kit.training.image_scores import ImageScores
from reorder_kit.training.judged_images import JudgedImages
from reorder_kit.training.trainer import Trainer
from reorder_kit.whole_file import write_unless_same


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Args:
        losses: the loss of each readable judged image: the same images in the same sequence for every order and seed.
        score: the task's headline on the judged images.
        seconds: training time without evaluation, in seconds.
    """

    losses: Scores
    score: float
    seconds: float


def run_trial(
    experiment: Experiment,
    order: Order,
    seed: int,
    steps: int,
    folder: Path,
    host: PluginHost,
    judged: JudgedImages,
    accelerator: Accelerator | None = None,
) -> TrialResult:
    """Train a model from scratch in an order for a few steps, or read the result of an earlier call.

    Trials with the same seed begin with the same weights and read the same batches, whatever their order, so that their
    losses can be compared image by image. The step size follows the recipe's whole schedule, compressed into the steps.
    A stopped trial resumes as if it had not been stopped.

    Args:
        experiment: the parts of the full run. Its learner, start and controls are not used.
        order: the order of the patches.
        seed: seed of weights, batches and augmentation.
        steps: optimizer steps.
        folder: the trial's own folder; while another process trains in it, this one waits.
        host: the plugins, which follow the training.
        judged: the judged images.
        accelerator: device and processes of the run that the trial belongs to; the recipe's if not given.

    Raises:
        ReorderKitError: if the folder holds another trial, a file in it is damaged, or training fails.
    """
    if steps < 1:
        raise ReorderKitError(f"a trial with {steps} steps trains nothing", "use at least 1 step")
    is_part_of_run = accelerator is not None  # then the run explains how to resume if the machine fails
    accelerator = accelerator or build_accelerator(experiment.recipe.train)
    trial = _Trial(_shortened(experiment, judged, seed, steps, accelerator.num_processes), order, judged, folder)
    if trial.is_finished:
        return trial.read()
    with (
        claimed(accelerator, partial(claim_in_program, trial.experiment, folder)) as run,
        nullcontext() if is_part_of_run else resumable(run, accelerator.num_processes, is_part=True),
    ):
        if not trial.is_finished:  # by a process that was waited for
            trial.train(run, host, accelerator)
    return trial.read()


def _shortened(experiment: Experiment, judged: JudgedImages, seed: int, steps: int, processes: int) -> Experiment:
    """The run without its learner, with the length of the trial, and with all step counts scaled in proportion."""
    recipe = experiment.recipe
    data, train = recipe.data, recipe.train

    def epoch(images: int) -> int:
        return steps_of_epoch(images, processes, data.batch_size, train.accumulate)

    require_samples(judged.train_images, "train", 1)
    full = train.epochs_of(epoch(judged.train_images))
    epochs = steps / epoch(len(judged.splits.train))
    schedule = recipe.schedule.of_run(full, epoch(judged.train_images)).scaled(epochs, full)
    # A running mean over more steps than the trial has would be close to the untrained weights.
    of_full = full * epoch(judged.train_images) / steps
    decay = None if train.ema_decay is None else train.ema_decay ** max(1.0, of_full) or None
    changed: Recipe = recipe.model_copy(
        update={
            "seed": seed,
            "schedule": schedule,
            "order": recipe.order.model_copy(update={"learner": None, "weights": None, "control": "none"}),
            "controls": (),
            "train": train.model_copy(update={"steps": steps, "ema_decay": decay}),
        }
    )
    return replace(experiment, recipe=changed, learner=None, control=None, beside=(), trackers=())


@dataclass(frozen=True)
class _Trial:
    """A trial and its folder.

    Args:
        experiment: the trial's experiment.
        order: its order.
        judged: the judged images.
        folder: the trial's folder.
    """

    experiment: Experiment
    order: Order
    judged: JudgedImages
    folder: Path

    @property
    def is_finished(self) -> bool:
        """Whether the record, which is written last, exists."""
        return (self.folder / RECORD).exists()

    def read(self) -> TrialResult:
        """Read the result.

        Raises:
            ReorderKitError: if the folder holds another trial, or a file is damaged.
        """
        record, losses = read_trial(self.folder)
        different = other_fields(RunFolder(self.folder), self.experiment.resolved())
        different += ["the order"] if record.order != self.order.indices.tolist() else []
        different += ["the judged images"] if record.judged != self.judged.words else []
        if different:
            raise self._other(", ".join(different))
        return TrialResult(losses, record.score, record.seconds)

    def train(self, run: RunFolder, host: PluginHost, accelerator: Accelerator) -> None:
        """Train, evaluate on the judged images, and write the result; the checkpoints are removed."""
        experiment, splits = self.experiment, self.judged.splits
        if run.latest_checkpoint() is not None and run.read_start() != self.order:
            raise self._other("the order")
        facts = experiment.facts(splits.image)
        context = TaskContext(
            facts, splits.image, experiment.kind, splits.classes, self.judged.fitted, accelerator.device
        )
        experiment.check(facts, splits.classes)
        experiment.check_start(self.order, facts)
        name = f"{experiment.recipe.name}/trials/{self.folder.name}"
        trainer = Trainer(name, experiment, splits, context, self.order, run, accelerator, host)
        if accelerator.is_main_process and run.latest_checkpoint() is None:
            self._write_description(run, context)
        accelerator.wait_for_everyone()
        trainer.train()
        losses = ImageScores(self.judged.images)
        trainer.evaluate("validation", image_losses=losses)
        found = losses.gather_read()
        if accelerator.is_main_process:
            self._write(trainer, found)
        accelerator.wait_for_everyone()
        accelerator.free_memory()  # it keeps every model that it has prepared

    def _write_description(self, run: RunFolder, context: TaskContext) -> None:
        """Write what a stopped trial resumes from, the recipe first, because a folder with a recipe can be resumed."""
        experiment, splits = self.experiment, self.judged.splits
        write_unless_same(run.recipe, write_yaml(experiment.resolved(), str(run.recipe)))
        images = {"train": len(splits.train), "validation": self.judged.images, "test": 0}
        source, classes = experiment.data_source.name, list(splits.classes)
        DataRecord(source=source, classes=classes, images=images, split_file=None, split_digest=None).write(run.data)
        environment = describe_environment(str(context.device))
        environment.model_copy(update={"folder": str(run.path.absolute())}).write(run.environment)
        FittedRecord(fitted=dict(context.fitted)).write(run.fitted)

    def _write(self, trainer: Trainer, losses: Scores) -> None:
        record = TrialRecord(
            order=self.order.indices.tolist(),
            seed=self.experiment.recipe.seed,
            steps=trainer.progress.total_steps,
            judged=self.judged.words,
            images=len(losses),
            headline=trainer.info.headline,
            score=trainer.validation.score(trainer.info.headline),
            loss=trainer.validation.loss,
            seconds=trainer.seconds,
            files={},
        )
        write_trial(self.folder, record, losses)
        shutil.rmtree(RunFolder(self.folder).checkpoints, ignore_errors=True)

    def _other(self, what: str) -> ReorderKitError:
        return ReorderKitError(
            f"{self.folder} holds another trial; different: {what}", "remove it, or give the trial another folder"
        )
