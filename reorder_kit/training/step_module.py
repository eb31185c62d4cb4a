"""What data parallelism wraps: the task's step as the forward pass of one module."""

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
    """Backbone and head are registered, the policy is not: in some phases its parameters have no gradient.

    Args:
        model: the model.
        task: whose step this is.
    """

    def __init__(self, model: OrderedModel, task: Task) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.head = model.head
        self._unregistered = (model, task)  # a tuple: a module in an attribute would be registered

    def forward(self, batch: Batch, progress: Progress) -> StepResult:
        """The task's step, during the search as often as the policy repeats it, each time with new proposals."""
        model, task = self._unregistered
        return together([take_step(task, model, batch, progress) for _ in range(repeats_of(model.policy))])


def together(results: Sequence[StepResult]) -> StepResult:
    """Repeats of a step as one: the mean loss, and the passes of the first repeat, then those of the next."""
    first, *others = results
    if not others:
        return first
    return StepResult(
        loss=torch.stack([result.loss for result in results]).mean(dim=0),
        outputs=first.outputs,
        passes=tuple(each for result in results for each in result.passes),
        parts={name: torch.stack([result.parts[name] for result in results]).mean(dim=0) for name in first.parts},
    )
