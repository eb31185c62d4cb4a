"""One run: epochs of optimiser steps, each ending with an evaluation, a line of metrics and a checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from itertools import islice
from typing import Any

import torch
from accelerate import Accelerator
from timm.utils import ModelEmaV3
from torch import nn

from reorder_kit.compose import Experiment
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, DataSplits, StepResult
from reorder_kit.interfaces.run_events import RunInfo, StepReport
from reorder_kit.interfaces.task import headline_of
from reorder_kit.ordered_model import OrderedModel
from reorder_kit.plugin_manager import PluginHost
from reorder_kit.progress import Progress
from reorder_kit.run_folder import RunFolder
from reorder_kit.training.batches import UnreadableImages, to_device
from reorder_kit.training.checkpoints import load_checkpoint, save_checkpoint
from reorder_kit.training.data_loading import ShuffledKeys, evaluation_loader, train_loader
from reorder_kit.training.devices import describe_device
from reorder_kit.training.evaluation import evaluate
from reorder_kit.training.optimization import Optimizers
from reorder_kit.training.order_log import OrderLog, keep_lines
from reorder_kit.training.random_streams import seed_torch, stream
from reorder_kit.training.step_module import StepModule

STEPS_BETWEEN_LOSS_CHECKS = 20
SECONDS_BETWEEN_REPORTS = 0.1


class Trainer:
    """Trains one model, from the start or from its last checkpoint.

    Nothing random has a state of its own: whatever draws is seeded with the step it is at, so a run that was stopped
    goes on as if it had not been.

    Args:
        name: what listeners call the run.
        experiment: the parts.
        splits: opened data.
        folder: the run folder.
        accelerator: device, precision, processes.
        host: whose plugins are told of run events.
    """

    def __init__(
        self,
        name: str,
        experiment: Experiment,
        splits: DataSplits,
        folder: RunFolder,
        accelerator: Accelerator,
        host: PluginHost,
    ) -> None:
        self._experiment, self._splits, self._folder = experiment, splits, folder
        self._accelerator, self._host = accelerator, host
        recipe = experiment.recipe
        self._settings, self._task, self._seed = recipe.train, experiment.task, recipe.seed
        self._process, self._processes = accelerator.process_index, accelerator.num_processes
        self.model = OrderedModel.build(
            experiment, splits.image, splits.classes, lambda grid: experiment.starting_order(grid, splits)
        ).to(accelerator.device)
        self.start = self.model.policy.best_order().to("cpu")
        if self._settings.compile:
            self.model.compile_encode()
        self._parts = nn.ModuleDict({"backbone": self.model.backbone, "head": self.model.head})
        self._step_module = accelerator.prepare_model(StepModule(self.model, self._task))
        self._ema = ModelEmaV3(self._parts, decay=self._settings.ema_decay) if self._settings.ema_decay else None
        self._optimizers = Optimizers(
            self._parts, self.model.policy, recipe.optimizer, recipe.schedule, self._settings.clip_grad, accelerator
        )
        self._keys = ShuffledKeys(len(splits.train), self._seed, self._process, self._processes)
        self._train_loader = train_loader(
            splits.train, self._keys, self._seed, recipe.data.batch_size, recipe.data.workers
        )
        self._steps_per_epoch = -(-len(self._train_loader) // self._settings.accumulate)
        self._order_log = OrderLog(folder, self.model.backbone.grid, self.start, self._process)
        self._epochs_done = 0
        self._seconds = 0.0
        self._images_per_second = 0.0
        self._validation: dict[str, Any] = {}
        self._resume()
        self.info = RunInfo(
            name=name,
            directory=folder.path,
            grid=self.model.backbone.grid,
            start=self.start,
            reach=self.model.backbone.reach(self.start.num_slots),
            headline=self._task.headline,
            classes=splits.classes,
            epochs=self._settings.epochs,
            steps_per_epoch=self._steps_per_epoch,
            first_epoch=self._epochs_done + 1,
            device=describe_device(accelerator),
            parameters=sum(parameter.numel() for parameter in self._parts.parameters() if parameter.requires_grad),
        )

    @property
    def evaluated_model(self) -> OrderedModel:
        """The model that is judged: of averaged weights where the recipe asks for them."""
        if self._ema is None:
            return self.model
        averaged = self._ema.module
        return OrderedModel(averaged["backbone"], self.model.policy, averaged["head"])

    @property
    def speed(self) -> dict[str, float]:
        """Seconds of training in all, and images a second in the last epoch."""
        return {"seconds": self._seconds, "images_per_second": self._images_per_second}

    @property
    def validation(self) -> dict[str, Any]:
        """The figures of the last epoch."""
        return self._validation

    def train(self) -> None:
        """Train to the last epoch.

        Raises:
            ReorderKitError: if the loss is no longer a number, or too many images cannot be read.
        """
        self._announce("run_started")
        for epoch in range(self._epochs_done, self._settings.epochs):
            self._train_epoch(epoch)

    def evaluate(self, split: str, choose_softly: bool = False) -> dict[str, Any]:
        """The figures of a split: ``validation`` or ``test``."""
        recipe = self._experiment.recipe
        samples = self._splits.validation if split == "validation" else self._splits.test
        loader = evaluation_loader(samples, recipe.data.batch_size, recipe.data.workers, self._process, self._processes)
        choose = self.model.policy.propose if choose_softly else None
        return evaluate(self.evaluated_model, self._task, loader, self._splits.classes, self._accelerator, choose)

    def _train_epoch(self, epoch: int) -> None:
        began = time.perf_counter()
        self._keys.epoch = epoch
        epoch_loss = _EpochLoss(self._accelerator)
        unreadable = UnreadableImages(self._settings.max_unreadable)
        last_report = 0.0
        step_size = 0.0
        for step_in_epoch, batches in enumerate(_chunks(self._train_loader, self._settings.accumulate)):
            progress = self._progress(epoch * self._steps_per_epoch + step_in_epoch)
            self.model.train()
            self.model.policy.advance(progress)
            for place, loaded in enumerate(batches):
                unreadable.add(loaded.unreadable)
                seed_torch(stream(self._seed, "batch", self._process, progress.step, place))
                # Processes average their gradients once a step, with the last batch.
                waits = place + 1 < len(batches)
                with self._accelerator.no_sync(self._step_module) if waits else nullcontext():
                    result = self._backward(loaded, progress, share=1 / len(batches), epoch_loss=epoch_loss)
                if step_in_epoch == place == 0 and result is not None:
                    self._order_log.sampled(epoch + 1, result.proposal)
            step_size = self._optimizers.step(progress)
            if self._ema is not None:
                self._ema.update(self._parts)
            if (progress.step + 1) % STEPS_BETWEEN_LOSS_CHECKS == 0:
                self._check_loss(epoch_loss, progress)
            seconds = time.perf_counter() - began
            if seconds - last_report > SECONDS_BETWEEN_REPORTS:
                last_report = seconds
                self._report_step(progress, epoch_loss, seconds)
        self._check_loss(epoch_loss, progress)
        seconds = time.perf_counter() - began
        self._seconds += seconds
        self._images_per_second = epoch_loss.images * self._processes / seconds
        self._finish_epoch(epoch, progress, {"loss": epoch_loss.mean(), "lr": step_size}, seconds, unreadable)

    def _progress(self, step: int) -> Progress:
        place = stream(self._seed, "policy", self._process, step)
        return Progress(step, self._steps_per_epoch, self._settings.epochs, place)

    def _backward(self, loaded: Batch, progress: Progress, share: float, epoch_loss: _EpochLoss) -> StepResult | None:
        if not len(loaded):
            if self._processes > 1:
                raise ReorderKitError("no image of a batch could be read", "repair or remove the files named above")
            return None
        batch = to_device(loaded, self._accelerator.device)
        batch = self._task.augment(batch, self._splits.classes)
        result: StepResult = self._step_module(batch, progress)
        reward = result.reward
        if self._experiment.recipe.order.control == "null-reward":
            reward = reward[torch.randperm(len(reward))]
        loss = result.loss.mean()
        self._accelerator.backward(share * (loss + self.model.policy.loss(result.proposal, reward)))
        epoch_loss.add(result.loss.detach())
        return result

    def _finish_epoch(
        self, epoch: int, progress: Progress, train: dict[str, float], seconds: float, unreadable: UnreadableImages
    ) -> None:
        policy, number = self.model.policy, epoch + 1
        previous = self._order_log.last
        best = policy.best_order().to("cpu")
        self._validation = self.evaluate("validation")
        line: dict[str, Any] = {
            "epoch": number,
            "phase": policy.phase,
            "train": train,
            "validation": self._validation,
            "order": self._order_log.epoch(number, best),
            "policy": policy.metrics(),
        }
        if policy.propose(None).soft is not None:
            soft = headline_of(self._task, self.evaluate("validation", choose_softly=True))
            line["soft_to_hard_gap"] = soft - headline_of(self._task, self._validation)
        if unreadable.found:
            line["unreadable"] = [image.path for image in unreadable.found]
        line |= {"seconds": seconds, "images_per_second": self._images_per_second}
        self._epochs_done = number
        if self._accelerator.is_main_process:
            with self._folder.metrics.open("a") as file:
                file.write(json.dumps(line) + "\n")
            self._save()
        self._accelerator.wait_for_everyone()
        if best != previous:
            self._announce("order_changed", epoch=number, order=best)
        self._announce("epoch_finished", epoch=number, metrics=line)

    def _weights(self) -> dict[str, nn.Module]:
        averaged = {} if self._ema is None else {"ema": self._ema.module}
        return {"model": self._parts, "policy": self.model.policy, **averaged}

    def _save(self) -> None:
        state = {
            "image": asdict(self._splits.image),
            "classes": list(self._splits.classes),
            "seconds": self._seconds,
            "images_per_second": self._images_per_second,
            "validation": self._validation,
        }
        save_checkpoint(self._folder, self._epochs_done, self._weights(), self._optimizers.state_dict(), state)

    def _resume(self) -> None:
        checkpoint = self._folder.latest_checkpoint()
        if checkpoint is not None:
            optimizers, state = load_checkpoint(checkpoint, self._weights())
            self._optimizers.load_state_dict(optimizers)
            self._epochs_done = state["epoch"]
            self._seconds, self._images_per_second = state["seconds"], state["images_per_second"]
            self._validation = state["validation"]
        self._order_log.resume(self._epochs_done, self.model.policy.best_order().to("cpu"))
        if self._accelerator.is_main_process:
            keep_lines(self._folder.metrics, self._epochs_done)
        self._accelerator.wait_for_everyone()

    def _check_loss(self, epoch_loss: _EpochLoss, progress: Progress) -> None:
        if epoch_loss.is_finite():
            return
        checkpoint = self._folder.latest_checkpoint()
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
        raise ReorderKitError(
            f"the loss is no longer a number at step {progress.step + 1} (epoch {int(progress.epoch) + 1}); {kept}",
            "try a smaller optimizer.lr, a longer schedule.warmup_epochs, train.clip_grad, or train.precision=fp32",
        )

    def _report_step(self, progress: Progress, epoch_loss: _EpochLoss, seconds: float) -> None:
        accuracy = headline_of(self._task, self._validation) if self._validation else None
        speed = epoch_loss.images * self._processes / seconds
        report = StepReport(progress.step + 1, epoch_loss.mean_of_process(), accuracy, speed)
        self._announce("step_finished", report=report)

    def _announce(self, event: str, **facts: Any) -> None:
        if self._accelerator.is_main_process:
            self._host.announce(event, run=self.info, **facts)


class _EpochLoss:
    """The mean loss of an epoch, kept on the device so that no step waits for it."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._sum = torch.zeros((), dtype=torch.float64, device=accelerator.device)
        self.images = 0

    def add(self, loss: torch.Tensor) -> None:
        self._sum += loss.double().sum()
        self.images += len(loss)

    def mean_of_process(self) -> float:
        return float(self._sum) / max(1, self.images)

    def mean(self) -> float:
        sums = torch.stack([self._sum, self._sum.new_tensor(self.images)])
        total, images = self._accelerator.reduce(sums, reduction="sum").tolist()
        return float(total) / max(1.0, float(images))

    def is_finite(self) -> bool:
        flag = torch.isfinite(self._sum).float().reshape(1)
        return bool((self._accelerator.reduce(flag, reduction="mean") == 1).all())


def _chunks(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(batches)
    while chunk := list(islice(iterator, size)):
        yield chunk
