"""What data parallelism wraps: the task's step as the forward pass of one module."""

from __future__ import annotations

from torch import nn

from reorder_kit.interfaces import Batch, StepResult, Task
from reorder_kit.ordered_model import OrderedModel
from reorder_kit.progress import Progress


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
        """The task's step."""
        model, task = self._unregistered
        return task.step(model, batch, progress)
