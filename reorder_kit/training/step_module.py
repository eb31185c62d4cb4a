"""The task's step as the forward pass of a module, for data parallelism to wrap."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from reorder_kit.interfaces import Batch, StepResult, Task
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.policy_checks import repeats_of
from reorder_kit.model.task_checks import take_step


class StepModule(nn.Module):
    """A module with backbone and head, but without the policy, whose parameters have no gradient in some phases.

    Args:
        model: the model.
        task: the task, which defines the step.
    """

    def __init__(self, model: OrderedModel, task: Task) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.head = model.head
        self._unregistered = (model, task)  # a tuple: a module in an attribute would be registered

    def forward(self, batch: Batch, progress: Progress) -> StepResult:
        """The task's step; during the search, repeated as often as the policy asks, each time with new proposals."""
        model, task = self._unregistered
        return together([take_step(task, model, batch, progress) for _ in range(repeats_of(model.policy))])


def together(results: Sequence[StepResult]) -> StepResult:
    """Combine repeats of a step: the mean loss, and the passes of all repeats in sequence."""
    first, *others = results
    if not others:
        return first
    return StepResult(
        loss=torch.stack([result.loss for result in results]).mean(dim=0),
        outputs=first.outputs,
        passes=tuple(each for result in results for each in result.passes),
        parts={name: torch.stack([result.parts[name] for result in results]).mean(dim=0) for name in first.parts},
    )
