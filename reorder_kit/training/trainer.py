"""One run: epochs of optimiser steps, each ending with an evaluation, a line of metrics and a checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from itertools import islice
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from jaxtyping import Bool
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from reorder_kit.compose import Experiment
from reorder_kit.errors import ReorderKitError
from reorder_kit.grid import Grid
from reorder_kit.interfaces import Batch, DataSplits, Proposal, StepResult
from reorder_kit.interfaces.run_events import RunInfo, StepReport
from reorder_kit.interfaces.task import headline_of
from reorder_kit.order_file import OrderFile
from reorder_kit.ordered_model import OrderedModel
from reorder_kit.patch_order import Order
from reorder_kit.plugin_manager import PluginHost
from reorder_kit.progress import Progress
from reorder_kit.run_folder import RunFolder
from reorder_kit.training.batches import to_device
from reorder_kit.training.beside import Change, in_random_order
from reorder_kit.training.checkpoints import load_checkpoint, save_checkpoint
from reorder_kit.training.data_loading import ShuffledKeys, evaluation_loader, train_loader
from reorder_kit.training.devices import describe_device
from reorder_kit.training.epoch_loss import EpochLoss
from reorder_kit.training.evaluation import ImageScores, evaluate
from reorder_kit.training.optimization import Optimizers
from reorder_kit.training.order_log import OrderLog, keep_lines
from reorder_kit.training.proposal_evaluation import ProposalEvaluator
from reorder_kit.training.random_streams import seed_torch, stream
from reorder_kit.training.retraining import check_parts, part_of_run
from reorder_kit.training.step_module import StepModule
from reorder_kit.training.unreadable_images import UnreadableImages

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
        is_fresh = folder.latest_checkpoint() is None

        def starting_order(grid: Grid) -> Order:
            # What a run started from stays its start, though a file or a prior might say something else by now.
            return experiment.starting_order(grid, splits) if is_fresh else OrderFile.load(folder.start_order).order

        self.model = OrderedModel.build(
            experiment if is_fresh else experiment.without_pretrained_weights(),
            splits.image,
            splits.classes,
            starting_order,
        ).to(accelerator.device)
        self.start = self.model.policy.best_order().to("cpu")
        if self._settings.compile:
            self.model.compile_encode()
        self._parts = nn.ModuleDict({"backbone": self.model.backbone, "head": self.model.head})
        # What only a summary passes through has no gradient where a head looks at places instead.
        accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=self._task.is_dense)
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
        check_parts(self.model.policy, self._progress(0))
        self._order_log = OrderLog(folder, self.model.backbone.grid, self.start, self._process)
        self._epochs_done = 0
        self._evaluated_images = 0
        self._seconds = 0.0
        self._images_per_second = 0.0
        self._validation: dict[str, Any] = {}
        self._resume()
        self.info = RunInfo(
            name=name,
            directory=folder.path,
            grid=self.model.backbone.grid,
            start=self.start,
            reach=self._reach(),
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

    def _reach(self) -> Bool[Tensor, " slot"]:
        slots = self.start.num_slots
        # A head that looks at places reads every slot itself.
        return torch.ones(slots, dtype=torch.bool) if self._task.is_dense else self.model.backbone.reach(slots)

    def train(self) -> None:
        """Train to the last epoch.

        Raises:
            ReorderKitError: if the loss is no longer a number, or too many images cannot be read.
        """
        self._order_log.begin()
        self._accelerator.wait_for_everyone()  # for the folder
        self._announce("run_started")
        for epoch in range(self._epochs_done, self._settings.epochs):
            self._train_epoch(epoch)

    def evaluate(
        self,
        split: str,
        choose_softly: bool = False,
        image_scores: ImageScores | None = None,
        change: Change | None = None,
    ) -> dict[str, Any]:
        """The figures of ``validation`` or ``test``; a ``change`` is applied to the model and random batches."""
        recipe = self._experiment.recipe
        samples = self._splits.validation if split == "validation" else self._splits.test
        samples = samples if change is None else in_random_order(samples, self._seed)
        loader = evaluation_loader(samples, recipe.data.batch_size, recipe.data.workers, self._process, self._processes)
        choose = self.model.policy.propose if choose_softly else None
        return evaluate(
            self.evaluated_model,
            self._task,
            loader,
            self._splits.classes,
            self._accelerator,
            choose,
            self._settings.max_unreadable,
            image_scores,
            change,
        )

    def _train_epoch(self, epoch: int) -> None:
        began = time.perf_counter()
        self._keys.epoch = epoch
        first = self._progress(epoch * self._steps_per_epoch)
        if self.model.policy.retrain_step(first) == first.step:
            self._renew_weights()
        self._evaluated_images = 0
        epoch_loss = EpochLoss(self._accelerator)
        unreadable = UnreadableImages(self._settings.max_unreadable)
        last_report = 0.0
        step_size = 0.0
        for step_in_epoch, loaded in enumerate(_chunks(self._train_loader, self._settings.accumulate)):
            progress = self._progress(epoch * self._steps_per_epoch + step_in_epoch)
            for batch in loaded:
                unreadable.add(batch.unreadable)
            batches = [batch for batch in loaded if len(batch)]
            if not batches:
                self._skip_step(progress, unreadable)
                continue
            proposal = self._accumulate(batches, progress, epoch_loss)
            step_size = self._optimizers.step(part_of_run(self.model.policy, progress))
            if self._ema is not None:
                self._ema.update(self._parts)
            self._order_log.sampled(epoch + 1, proposal)
            if (progress.step + 1) % STEPS_BETWEEN_LOSS_CHECKS == 0:
                self._check_loss(epoch_loss)
            seconds = time.perf_counter() - began
            if seconds - last_report > SECONDS_BETWEEN_REPORTS:
                last_report = seconds
                self._report_step(progress, epoch_loss, seconds)
        self._check_loss(epoch_loss)
        self._check_weights(progress)
        seconds = time.perf_counter() - began
        self._seconds += seconds
        self._images_per_second = epoch_loss.images * self._processes / seconds
        self._finish_epoch(progress, {"loss": epoch_loss.mean(), "lr": step_size}, seconds, unreadable.gather())

    def _progress(self, step: int) -> Progress:
        own, shared = stream(self._seed, "policy", self._process, step), stream(self._seed, "policy", step)
        return Progress(step, self._steps_per_epoch, self._settings.epochs, own, shared)

    def _renew_weights(self) -> None:
        """The weights that the run began with; the policy stays as it is."""
        untrained = OrderedModel.build(
            self._experiment, self._splits.image, self._splits.classes, lambda grid: self.start
        )
        self.model.backbone.load_state_dict(untrained.backbone.state_dict())
        self.model.head.load_state_dict(untrained.head.state_dict())
        self._optimizers.forget()
        if self._ema is not None:
            self._ema.set(self._parts)

    def _skip_step(self, progress: Progress, unreadable: UnreadableImages) -> None:
        if self._processes > 1:  # the others wait for the gradients of this one
            raise ReorderKitError(
                f"process {self._process} could read no image of step {progress.step + 1}\n{unreadable.describe()}",
                "repair or remove them",
            )

    def _accumulate(self, batches: Sequence[Batch], progress: Progress, epoch_loss: EpochLoss) -> Proposal:
        """Add up the gradients of the batches of a step; return what the policy proposed for the first."""
        self.model.train()
        self.model.policy.advance(progress)
        self._search(batches[0], progress)
        images = sum(map(len, batches))
        proposals = []
        for place, batch in enumerate(batches):
            seed_torch(stream(self._seed, "batch", self._process, progress.step, place))
            with self._synchronized(place + 1 == len(batches)):
                proposals.append(self._backward(batch, progress, len(batch) / images, epoch_loss))
        return proposals[0]

    def _search(self, loaded: Batch, progress: Progress) -> None:
        """Let the policy try proposals on the first batch of a step."""
        seed_torch(stream(self._seed, "search", self._process, progress.step))
        evaluator = ProposalEvaluator(
            self.model, self._task, lambda: self._prepare(loaded), progress, self._accelerator, self._reward_of_policy
        )
        self.model.policy.search(evaluator)
        self._evaluated_images += evaluator.images

    def _prepare(self, loaded: Batch) -> Batch:
        return self._task.augment(to_device(loaded, self._accelerator.device), self._splits.classes)

    def _reward_of_policy(self, reward: torch.Tensor) -> torch.Tensor:
        """The reward as the policy is told it."""
        control = self._experiment.control
        return reward if control is None else control.reward(reward)

    def _synchronized(self, is_last: bool) -> AbstractContextManager[object]:
        """Processes average their gradients once a step, with its last batch."""
        no_sync: AbstractContextManager[object] = self._accelerator.no_sync(self._step_module)
        return nullcontext() if is_last else no_sync

    def _backward(self, loaded: Batch, progress: Progress, share: float, epoch_loss: EpochLoss) -> Proposal:
        result: StepResult = self._step_module(self._prepare(loaded), progress)
        reward = self._reward_of_policy(result.reward)
        total = result.loss.mean() + self.model.policy.loss(result.proposal, reward)
        self._accelerator.backward(share * total)
        epoch_loss.add(progress.step, result.loss.detach(), total.detach())
        return result.proposal

    def _finish_epoch(
        self, progress: Progress, train: dict[str, float], seconds: float, unreadable: Sequence[str]
    ) -> None:
        policy, number = self.model.policy, self._epochs_done + 1
        previous = self._order_log.last
        best = policy.best_order().to("cpu")
        self._validation = self.evaluate("validation")
        if not math.isfinite(self._validation["loss"]):
            raise self._diverged(f"the validation loss is no number after step {progress.step + 1} (epoch {number})")
        line: dict[str, Any] = {
            "epoch": number,
            "phase": policy.phase,
            "train": train,
            "validation": self._validation,
            "order": self._order_log.epoch(number, best),
            "policy": policy.metrics(),
        }
        if not policy.propose(None).is_exact:
            soft = headline_of(self._task, self.evaluate("validation", choose_softly=True))
            line["soft_to_hard_gap"] = soft - headline_of(self._task, self._validation)
        if self._evaluated_images:
            line["evaluated_images"] = self._evaluated_images * self._processes
        if unreadable:
            line["unreadable"] = unreadable
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
            "processes": self._processes,
        }
        save_checkpoint(self._folder, self._epochs_done, self._weights(), self._optimizers.state_dict(), state)

    def _resume(self) -> None:
        checkpoint = self._folder.latest_checkpoint()
        if checkpoint is not None:
            optimizers, state = load_checkpoint(checkpoint, self._weights())
            if state["processes"] != self._processes:
                raise ReorderKitError(
                    f"{self._folder.path} was trained on {state['processes']} processes, not {self._processes}; "
                    "its batches and its steps would be others",
                    f"go on with torchrun --nproc-per-node {state['processes']}",
                )
            self._optimizers.load_state_dict(optimizers)
            self._epochs_done = state["epoch"]
            self._seconds, self._images_per_second = state["seconds"], state["images_per_second"]
            self._validation = state["validation"]
        self._order_log.resume(self._epochs_done, self.model.policy.best_order().to("cpu"))
        if self._accelerator.is_main_process:
            keep_lines(self._folder.metrics, self._epochs_done)
        self._accelerator.wait_for_everyone()

    def _check_loss(self, epoch_loss: EpochLoss) -> None:
        step = epoch_loss.first_bad_step()
        if step is not None:
            epoch = step // self._steps_per_epoch + 1
            raise self._diverged(f"the loss is no longer a number at step {step + 1} (epoch {epoch})")

    def _check_weights(self, progress: Progress) -> None:
        """The last step of an epoch may spoil the weights, which no loss has seen yet."""
        parameters = [*self._parts.parameters(), *self.model.policy.parameters()]
        if not torch.nn.utils.get_total_norm(parameters, norm_type=math.inf).isfinite():
            raise self._diverged(f"the weights are no longer numbers after step {progress.step + 1}")

    def _diverged(self, what: str) -> ReorderKitError:
        checkpoint = self._folder.latest_checkpoint()
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
        return ReorderKitError(
            f"{what}; {kept}",
            "try a smaller optimizer.lr, a longer schedule.warmup_epochs, train.clip_grad, or train.precision=fp32",
        )

    def _report_step(self, progress: Progress, epoch_loss: EpochLoss, seconds: float) -> None:
        accuracy = headline_of(self._task, self._validation) if self._validation else None
        speed = epoch_loss.images * self._processes / seconds
        report = StepReport(progress.step + 1, epoch_loss.mean_of_process(), accuracy, speed)
        self._announce("step_finished", report=report)

    def _announce(self, event: str, **facts: Any) -> None:
        if self._accelerator.is_main_process:
            self._host.announce(event, run=self.info, **facts)


def _chunks(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(batches)
    while chunk := list(islice(iterator, size)):
        yield chunk
