"""The evaluator that lets a policy try proposals before it makes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import Batch, Proposal, Task
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.reward_checks import RewardChecks
from reorder_kit.model.task_checks import take_step


class ProposalEvaluator:
    """The rewards of proposals on the images of one step: an :class:`~reorder_kit.interfaces.Evaluate`.

    Args:
        model: the model, as trained so far.
        task: gives the reward.
        batch: the prepared images of this process.
        progress: the step.
        accelerator: precision, and the other processes.
        disguise: replaces the rewards before the policy sees them.
        rewards: checks that they are finite.
    """

    def __init__(
        self,
        model: OrderedModel,
        task: Task,
        batch: Batch,
        progress: Progress,
        accelerator: Accelerator,
        disguise: Callable[[Float[Tensor, " batch"]], Float[Tensor, " batch"]],
        rewards: RewardChecks,
    ) -> None:
        self._model, self._task, self._batch, self._progress = model, task, batch, progress
        self._accelerator, self._disguise, self._rewards = accelerator, disguise, rewards
        self.images = 0
        """The number of images that this process passed forward."""

    def __call__(self, proposal: Proposal | Sequence[Proposal], images: int | None = None) -> Float[Tensor, " image"]:
        """The reward of each image, concatenated over all processes."""
        batch = self._batch
        if images is not None and images < len(batch):
            batch = batch.take(torch.arange(images))
        proposals = self._checked([proposal] if isinstance(proposal, Proposal) else proposal, len(batch))
        self.images += len(batch)
        was_training = self._model.training
        self._model.eval()
        with torch.no_grad(), self._accelerator.autocast():
            result = take_step(self._task, self._model.ordered_by(*proposals), batch, self._progress)
        self._model.train(was_training)
        return self._of_all_processes(self._disguise(self._rewards.given(result).reward))

    def _checked(self, proposals: Sequence[Proposal], images: int) -> list[Proposal]:
        """The policy's proposals, if they can be applied; only the model knows the number of slots at later blocks."""
        model, patches = self._model, self._model.facts.grid.num_patches
        passed = []
        for each in proposals:
            block = each.block if isinstance(each, Proposal) else 0
            passed.append(model.order_checks.passed(each, model.policy, images, None if block else patches, block))
        return passed

    def _of_all_processes(self, reward: Float[Tensor, " batch"]) -> Float[Tensor, " image"]:
        if self._accelerator.num_processes == 1:
            return reward
        # Unreadable images may have left this process with fewer images than another.
        sizes = self._accelerator.gather(torch.tensor([len(reward)], device=reward.device)).tolist()
        padded = torch.nn.functional.pad(reward, (0, max(sizes) - len(reward)))
        rows = self._accelerator.gather(padded).reshape(len(sizes), -1)
        return torch.cat([row[:size] for row, size in zip(rows, sizes, strict=True)])
