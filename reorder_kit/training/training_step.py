"""One optimizer step: the search, the passes, the gradients."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from reorder_kit.data.random_streams import seed_torch, stream
from reorder_kit.errors import ComponentError
from reorder_kit.interfaces import Batch, InRunControl, StepResult, Task, TaskContext
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.policy_checks import check_loss
from reorder_kit.model.reward_checks import RewardChecks
from reorder_kit.model.task_checks import prepare
from reorder_kit.training.epoch_loss import EpochLoss
from reorder_kit.training.proposal_evaluation import ProposalEvaluator


class TrainingStep:
    """Accumulates the gradients of the batches of a step.

    Args:
        model: the model.
        module: its step, wrapped for data parallelism.
        frozen: parts of the model that stay in evaluation mode.
        task: the task, which defines the step.
        context: what is known about the run.
        control: the control that may replace the rewards.
        seed: the run's seed.
        accelerator: precision and processes.
    """

    def __init__(
        self,
        model: OrderedModel,
        module: Any,
        frozen: Sequence[nn.Module],
        task: Task,
        context: TaskContext,
        control: InRunControl | None,
        seed: int,
        accelerator: Accelerator,
    ) -> None:
        self._model, self._module, self._frozen = model, module, frozen
        self._task, self._context, self._control = task, context, control
        self._seed, self._accelerator = seed, accelerator
        self.rewards = RewardChecks(task, control)
        self.evaluated_images = 0
        """The number of images that searches passed forward in this process."""

    def accumulate(self, loaded: Sequence[Batch], progress: Progress, epoch_loss: EpochLoss) -> list[StepResult]:
        """The results of the batches, whose gradients are accumulated.

        Args:
            loaded: batches with at least one image each.
            progress: the step.
            epoch_loss: collects the losses.
        """
        self._begin_training()
        self._model.policy.advance(progress)
        images = sum(map(len, loaded))
        results = []
        for place, batch in enumerate(loaded):
            # Prepared once, so that the search and the training use the same masks.
            prepared = prepare(self._task, batch.to(self._accelerator.device), True, self._context)
            if place == 0:
                self._search(prepared, progress)
                self._begin_training()  # a search evaluates
            seed_torch(stream(self._seed, "batch", self._accelerator.process_index, progress.step, place))
            with self._synchronized(place + 1 == len(loaded)):
                results.append(self._backward(prepared, progress, len(batch) / images, epoch_loss))
        return results

    def _begin_training(self) -> None:
        """Put the model into training mode, except its frozen parts."""
        self._model.train()
        for part in self._frozen:
            part.eval()

    def _search(self, batch: Batch, progress: Progress) -> None:
        """Let the policy try proposals on the first batch of a step."""
        seed_torch(stream(self._seed, "search", self._accelerator.process_index, progress.step))
        evaluator = ProposalEvaluator(
            self._model, self._task, batch, progress, self._accelerator, self._as_passed_to_policy, self.rewards
        )
        self._model.policy.search(evaluator)
        self.evaluated_images += evaluator.images

    def _as_passed_to_policy(self, reward: torch.Tensor) -> torch.Tensor:
        """The reward, or a control's replacement."""
        if self._control is None:
            return reward
        disguised = self._control.reward(reward)
        if not isinstance(disguised, torch.Tensor) or disguised.shape != reward.shape:
            reason = f"reward did not return one reward for each of {len(reward)} images"
            raise ComponentError("control", self._control.name, reason, "return a tensor with one reward per image")
        return self.rewards.disguised(reward, disguised)

    def _synchronized(self, is_last: bool) -> AbstractContextManager[object]:
        """Have processes average their gradients once per step, with its last batch."""
        no_sync: AbstractContextManager[object] = self._accelerator.no_sync(self._module)
        return nullcontext() if is_last else no_sync

    def _backward(self, batch: Batch, progress: Progress, share: float, epoch_loss: EpochLoss) -> StepResult:
        result: StepResult = self.rewards.given(self._module(batch, progress))
        passes = [replace(each, reward=self._as_passed_to_policy(each.reward)) for each in result.passes]
        policy = self._model.policy
        total = result.loss.mean() + check_loss(policy.loss(passes, batch), policy)
        self._accelerator.backward(share * total)
        epoch_loss.add(progress.step, result.loss.detach(), result.parts, total.detach())
        return result
