"""One run: epochs of optimizer steps, each ending with an evaluation, a line of metrics and a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from timm.utils import ModelEmaV3
from torch import nn

from reorder_kit.analysis.influence import SlotInfluence
from reorder_kit.data.data_loading import ShuffledKeys, chunks, steps_of_epoch, train_loader
from reorder_kit.data.random_streams import stream
from reorder_kit.errors import DivergedError, ReorderKitError
from reorder_kit.experiment.building import build_model, evaluated_parts, frozen_parts
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Batch, DataSplits, SupervisedTask, TaskContext
from reorder_kit.interfaces.progress import Progress
from reorder_kit.interfaces.run_events import ImagesOfRun, RunInfo, StepReport
from reorder_kit.model.ordered_model import OrderedModel, for_evaluation
from reorder_kit.model.policy_checks import check_figures
from reorder_kit.model.task_checks import views_of
from reorder_kit.orders.order import Order
from reorder_kit.runs.epoch_record import EpochRecord, MetricsFile, TrainFigures, cut_after
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.beginning import check_continued, check_policy_start
from reorder_kit.training.beside import Change
from reorder_kit.training.checkpoints import clear_checkpoints
from reorder_kit.training.devices import describe_device
from reorder_kit.training.epoch_loss import EpochLoss
from reorder_kit.training.image_scores import ImageScores
from reorder_kit.training.optimization import Optimizers
from reorder_kit.training.order_log import OrderLog
from reorder_kit.training.order_summary import OrderSummary, reach_of
from reorder_kit.training.reading_log import ReadingLog
from reorder_kit.training.retraining import part_of_run
from reorder_kit.training.run_evaluation import RunEvaluation
from reorder_kit.training.saved_state import SavedState
from reorder_kit.training.step_module import StepModule
from reorder_kit.training.tracking import Tracking
from reorder_kit.training.training_step import TrainingStep

STEPS_BETWEEN_LOSS_CHECKS = 20
SECONDS_BETWEEN_REPORTS = 0.1


class Trainer:
    """Trains one model, from the beginning or from its last checkpoint.

    No random generator keeps a state: every draw is seeded with its step, so a stopped run resumes as if it had not
    been stopped.

    Args:
        name: the run's name for listeners.
        experiment: the parts.
        splits: opened data.
        context: what is known about the run.
        start: the starting order.
        folder: the run folder.
        accelerator: device, precision, processes.
        host: the plugins, which receive run events.
    """

    def __init__(
        self,
        name: str,
        experiment: Experiment,
        splits: DataSplits,
        context: TaskContext,
        start: Order,
        folder: RunFolder,
        accelerator: Accelerator,
        host: PluginHost,
    ) -> None:
        self._experiment, self._splits, self.context, self._folder = experiment, splits, context, folder
        self._accelerator, self._host = accelerator, host
        recipe = experiment.recipe
        self._settings, self._task, self._seed = recipe.train, experiment.task, recipe.seed
        self._process, self._processes = accelerator.process_index, accelerator.num_processes
        self._keys = ShuffledKeys(len(splits.train), self._seed, self._process, self._processes)
        data, views = recipe.data, views_of(self._task, training=True)
        self._train_loader = train_loader(
            splits.train, context.kind, self._keys, self._seed, data.batch_size, data.workers, views
        )
        self._evaluation = RunEvaluation(recipe, self._task, splits, context, accelerator)
        self._steps_per_epoch = steps_of_epoch(
            len(splits.train), self._processes, data.batch_size, self._settings.accumulate
        )
        self._epochs_of_run = self._settings.epochs_of(self._steps_per_epoch)
        self._phases = experiment.phases(self._epochs_of_run)
        is_fresh = folder.latest_checkpoint() is None
        self.start = start
        source = experiment if is_fresh else experiment.without_downloads()
        self.model = build_model(source, context, start).to(accelerator.device)
        if self._settings.compile:
            self.model.compile_encode()
        frozen = frozen_parts(self.model.backbone, self.model.head, self._settings.weights)
        nn.ModuleList(frozen).requires_grad_(False)
        self._parts = nn.ModuleDict({"backbone": self.model.backbone, "head": self.model.head})
        # Layers that only serve the summary have no gradient if a task is dense or reads in its own way.
        reads_all = type(self._task).step is SupervisedTask.step and not self._task.is_dense
        accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=not reads_all)
        module = accelerator.prepare_model(StepModule(self.model, self._task))
        self._step = TrainingStep(
            self.model, module, frozen, self._task, context, experiment.control, self._seed, accelerator
        )
        self._ema = ModelEmaV3(self._parts, decay=self._settings.ema_decay) if self._settings.ema_decay else None
        schedule = recipe.schedule.of_run(self._epochs_of_run, self._steps_per_epoch)
        self._optimizers = Optimizers(
            self._parts, self.model.policy, recipe.optimizer, schedule, self._settings.clip_grad, accelerator
        )
        self._saved = SavedState.resume(folder, self._weights(), self._optimizers, self._processes)
        # A policy must advance before it is used, even if there is nothing to resume.
        self.model.policy.advance(self.progress)
        if is_fresh:
            check_continued(experiment, self.model.policy, start)
        self._order_log = OrderLog(folder, self.model.facts.grid, start, self._process)
        self._resume_files()
        self.info = RunInfo(
            name=name,
            directory=folder.path,
            grid=self.model.facts.grid,
            start=start,
            reach=None,
            num_slots=start.num_slots,
            headline=self._task.headline,
            higher_is_better=self._task.higher_is_better,
            classes=tuple(context.classes),
            epochs=self._epochs,
            steps_per_epoch=self._steps_per_epoch,
            first_epoch=self._saved.epochs_done + 1,
            device=describe_device(accelerator),
            parameters=sum(parameter.numel() for parameter in self._parts.parameters() if parameter.requires_grad),
            images=ImagesOfRun.of(splits),
        )
        summary = self.summarize_order()
        if is_fresh:
            check_policy_start(experiment, summary, start)
        self.info = self.info_with(summary)
        self.tracking = Tracking(experiment, self.info, host, accelerator.is_main_process)

    @property
    def evaluated_model(self) -> OrderedModel:
        """The model to evaluate, with averaged weights if the recipe averages weights."""
        return for_evaluation(self._task, self._trained_model)

    @property
    def _trained_model(self) -> OrderedModel:
        """The model, with averaged weights if the recipe averages weights."""
        if self._ema is None:
            return self.model
        averaged = self._ema.module
        return self.model.with_parts(backbone=averaged["backbone"], head=averaged["head"])

    @property
    def progress(self) -> Progress:
        """The progress of training: the next step."""
        return self._progress(self._saved.step)

    @property
    def seconds(self) -> float:
        """The training time so far, in seconds."""
        return self._saved.seconds

    @property
    def images_per_second(self) -> float:
        """The throughput in the last epoch."""
        return self._saved.images_per_second

    @property
    def validation(self) -> Figures:
        """The metrics of the last epoch; there are none before the end of the first."""
        assert self._saved.validation is not None
        return self._saved.validation

    @property
    def _total_steps(self) -> int:
        return self.progress.total_steps

    @property
    def _epochs(self) -> int:
        """The number of epochs, the last of which may be partial."""
        return -(-self._total_steps // self._steps_per_epoch)

    def info_with(self, summary: OrderSummary) -> RunInfo:
        """The facts about the run, with the slots that are currently in use."""
        slots = summary.order.num_slots
        return replace(self.info, reach=reach_of(self.model, self._task, slots), num_slots=slots)

    def train(self) -> None:
        """Train to the last epoch.

        Raises:
            ReorderKitError: if the loss becomes NaN or infinite, or too many images cannot be read.
        """
        self._order_log.begin()
        if self._accelerator.is_main_process and not self._saved.epochs_done:
            self._saved.run_files = self._folder.digests_at_the_start()
        self._accelerator.wait_for_everyone()  # for the folder
        self._announce("run_started")
        self.tracking.start()
        for epoch in range(self._saved.epochs_done, self._epochs):
            self._train_epoch(epoch)

    def evaluate(
        self,
        split: str,
        image_scores: ImageScores | None = None,
        change: Change | None = None,
        image_losses: ImageScores | None = None,
    ) -> Figures:
        """The metrics of ``validation`` or ``test``; see :meth:`RunEvaluation.figures`."""
        model = self.evaluated_model
        return self._evaluation.figures(model, split, self.progress, image_scores, change, image_losses)

    def summarize_order(self) -> OrderSummary:
        """The policy's current order."""
        return self._evaluation.summarize_order(self.evaluated_model)

    def influence(self, images: int) -> SlotInfluence:
        """Influence of each slot on the loss over some validation images.

        Raises:
            SeveralPassesError: if a step of the task reads its batch more than once.
        """
        return self._evaluation.influence(self.evaluated_model, self.progress, images)

    def _train_epoch(self, epoch: int) -> None:
        began = time.perf_counter()
        self._keys.epoch = epoch
        first = epoch * self._steps_per_epoch
        if self._phases.retrain_epoch == epoch:
            self._renew_weights()
        self._step.evaluated_images = 0
        epoch_loss = EpochLoss(self._accelerator)
        log = ReadingLog(self._settings.max_unreadable)
        last_report = step_size = 0.0
        steps = islice(chunks(self._train_loader, self._settings.accumulate), self._total_steps - first)
        for step_in_epoch, loaded in enumerate(steps):
            progress = self._progress(first + step_in_epoch)
            self._saved.step = progress.step + 1
            for batch in loaded:
                log.add(batch)
            batches = [batch for batch in loaded if len(batch)]
            if not batches:
                self._skip_step(progress, log)
                continue
            step_size = self._take_step(batches, progress, epoch_loss)
            if (progress.step + 1) % STEPS_BETWEEN_LOSS_CHECKS == 0:
                self._check_loss(epoch_loss)
            seconds = time.perf_counter() - began
            if seconds - last_report > SECONDS_BETWEEN_REPORTS:
                last_report = seconds
                self._report_step(progress, epoch_loss, seconds)
        self._check_loss(epoch_loss)
        self._check_weights(progress)
        seconds = time.perf_counter() - began
        self._saved.seconds += seconds
        self._saved.images_per_second = epoch_loss.images * self._processes / seconds
        train = TrainFigures(loss=epoch_loss.mean(), lr=step_size, parts=epoch_loss.parts())
        self._finish_epoch(progress, train, seconds, log)

    def _take_step(self, batches: Sequence[Batch], progress: Progress, epoch_loss: EpochLoss) -> float:
        """Learn from batches; return the step size."""
        results = self._step.accumulate(batches, progress, epoch_loss)
        step_size = self._optimizers.step(part_of_run(self._phases, progress))
        if self._ema is not None:
            self._ema.update(self._parts)
        with torch.no_grad():
            self._task.after_step(self.model, results, progress)
        self._order_log.sampled(progress.step // self._steps_per_epoch + 1, results[0])
        return step_size

    def _progress(self, step: int) -> Progress:
        own, shared = stream(self._seed, "policy", self._process, step), stream(self._seed, "policy", step)
        return self._phases.locate(Progress(step, self._steps_per_epoch, self._epochs_of_run, own, shared))

    def _renew_weights(self) -> None:
        """Restore the initial weights; the policy stays unchanged."""
        untrained = build_model(self._experiment, self.context, self.start)
        self.model.backbone.load_state_dict(untrained.backbone.state_dict())
        self.model.head.load_state_dict(untrained.head.state_dict())
        if self.model.state is not None and untrained.state is not None:
            self.model.state.load_state_dict(untrained.state.state_dict())
        self._optimizers.forget()
        if self._ema is not None:
            self._ema.set(self._parts)

    def _skip_step(self, progress: Progress, log: ReadingLog) -> None:
        if self._processes > 1:  # the others wait for the gradients of this one
            raise ReorderKitError(
                f"process {self._process} could not read any image of step {progress.step + 1}\n{log.describe()}",
                "repair or remove them",
            )

    def _finish_epoch(self, progress: Progress, train: TrainFigures, seconds: float, log: ReadingLog) -> None:
        unreadable, findings = log.gather()
        policy, number = self.model.policy, self._saved.epochs_done + 1
        previous, summary = self._order_log.last, self.summarize_order()
        self._saved.validation = validation = self.evaluate("validation")
        if not math.isfinite(validation.loss):
            raise self._diverged(
                f"the validation loss is NaN or infinite after step {progress.step + 1} (epoch {number})"
            )
        record = EpochRecord(
            epoch=number,
            phase=policy.phase,
            train=train,
            validation=validation,
            order=self._order_log.epoch(number, summary),
            policy=check_figures(policy.metrics(), policy),
            soft_to_hard_gap=self._soft_to_hard_gap(validation),
            evaluated_images=self._step.evaluated_images * self._processes,
            unreadable=unreadable,
            findings=findings,
            seconds=seconds,
            images_per_second=self._saved.images_per_second,
        )
        self._saved.epochs_done = number
        if self._accelerator.is_main_process:
            self._metrics.append(record)
            self._saved.run_files[self._folder.metrics.name] = self._metrics.digest
            self._saved.save(
                self._folder,
                {**self._weights(), **evaluated_parts(self._trained_model, self.evaluated_model)},
                self._optimizers,
                self.context,
                self._steps_per_epoch,
                self._processes,
            )
        self._accelerator.wait_for_everyone()
        if summary != previous:
            self._announce("order_changed", epoch=number, order=summary.order, spread=summary.spread)
        self._announce("epoch_finished", epoch=number, record=record)
        self.tracking.log(record)

    def _soft_to_hard_gap(self, hard: Figures) -> float | None:
        """How much higher soft permutations score than hard orders; None if the policy does not mix patches now."""
        policy, headline = self.model.policy, self._task.headline
        if not policy.mixes or policy.phase != "search":
            return None
        sampled = self.evaluated_model.ordered_by(policy, sample=True)
        soft = self._evaluation.figures(sampled, "validation", self.progress)
        return soft.score(headline) - hard.score(headline)

    def _weights(self) -> dict[str, nn.Module]:
        averaged = {} if self._ema is None else {"ema": self._ema.module}
        state = {} if self.model.state is None else {"state": self.model.state}
        return {"model": self._parts, "policy": self.model.policy, **averaged, **state}

    def _resume_files(self) -> None:
        """Drop what was written after the checkpoint."""
        self._order_log.resume(self._saved.epochs_done)
        if self._accelerator.is_main_process:
            clear_checkpoints(self._folder)
            cut_after(self._folder.metrics, self._saved.epochs_done)
        self._metrics = MetricsFile(self._folder.metrics)
        self._accelerator.wait_for_everyone()

    def _check_loss(self, epoch_loss: EpochLoss) -> None:
        self._step.rewards.settle()
        step = epoch_loss.first_bad_step()
        if step is not None:
            where = f"step {step + 1} (epoch {step // self._steps_per_epoch + 1})"
            raise self._diverged(f"the loss became NaN or infinite at {where}")

    def _check_weights(self, progress: Progress) -> None:
        """Check the weights at the end of an epoch: its last step may spoil them before any loss shows it."""
        parameters = [*self._parts.parameters(), *self.model.policy.parameters()]
        if not torch.nn.utils.get_total_norm(parameters, norm_type=math.inf).isfinite():
            raise self._diverged(f"weights became NaN or infinite after step {progress.step + 1}")

    def _diverged(self, what: str) -> DivergedError:
        checkpoint = self._folder.latest_checkpoint()
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
        return DivergedError(
            f"{what}; {kept}",
            "try a smaller optimizer.lr, a longer schedule.warmup_epochs, train.clip_grad, or train.precision=fp32",
        )

    def _report_step(self, progress: Progress, epoch_loss: EpochLoss, seconds: float) -> None:
        last = self._saved.validation
        headline = None if last is None else last.score(self._task.headline)
        loss, speed = epoch_loss.mean_of_process(), epoch_loss.images * self._processes / seconds
        self._announce("step_finished", report=StepReport(progress.step + 1, loss, headline, speed))

    def _announce(self, event: str, **facts: Any) -> None:
        if self._accelerator.is_main_process:
            self._host.announce(event, run=self.info, **facts)
