"""A record of every optimizer step of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from torch import Tensor

from reorder_kit.training.optimization import Optimizers


class StepRecord:
    """Gradients before a step, and weights and state after it, each in one row of numbers; losses of this process."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.gradients: list[Tensor] = []
        self.weights: list[Tensor] = []
        self.states: list[Tensor] = []

    @contextmanager
    def of(self, task: type) -> Iterator[StepRecord]:
        """Record the runs of a task."""
        take, follow = Optimizers.step, task.after_step

        def step(optimizers, progress):
            self.gradients.append(flat(each.grad for each in optimizers._modules.parameters() if each.grad is not None))
            return take(optimizers, progress)

        def after_step(own, model, results, progress):
            follow(own, model, results, progress)
            self.losses.append(torch.cat([result.loss.detach() for result in results]).mean())
            self.weights.append(flat([*model.backbone.parameters(), *model.head.parameters()]))
            if model.state is not None:
                self.states.append(flat(model.state.parameters()))

        with patch.object(Optimizers, "step", step), patch.object(task, "after_step", after_step):
            yield self

    def save(self, path: Path) -> None:
        """As safetensors: a row for each step."""
        content = {name: torch.stack(rows) for name, rows in vars(self).items() if rows}
        save_file(content, path)


def flat(tensors) -> Tensor:
    """All numbers in one row."""
    return torch.cat([tensor.detach().clone().flatten() for tensor in tensors])
