"""Tasks that read a batch once and compare outputs with targets."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.batch import Batch
from reorder_kit.interfaces.model import Model
from reorder_kit.interfaces.passes import Pass
from reorder_kit.interfaces.progress import Progress
from reorder_kit.interfaces.task import StepResult, Task


class SupervisedTask(Task):
    """A task with one pass, and a loss between its outputs and the targets.

    A complete plugin::

        import torch
        from torch import nn
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import CLASS, SupervisedTask, gather_images

        class LinearHead(nn.Module):
            def __init__(self, dim, classes):
                super().__init__()
                self.linear = nn.Linear(dim, classes)

            def forward(self, features):
                return self.linear(features.summary())

        class Hits:
            def __init__(self):
                self.hits = []

            def update(self, predictions, batch):
                self.hits.append((predictions.argmax(dim=1) == batch.targets).float())

            def compute(self):
                hits, _ = gather_images(torch.cat(self.hits))  # those of all processes
                return {"accuracy": float(hits.mean())}

        class HingeClassification(SupervisedTask):
            \"""Single labels with the multi-class hinge loss.\"""

            name = "hinge-classification"
            target_kinds = (CLASS,)
            headline = "accuracy"

            def build_head(self, context):
                return LinearHead(context.facts.dim, len(context.classes))

            def loss_per_image(self, outputs, targets):
                return nn.functional.multi_margin_loss(outputs, targets, reduction="none")

            def build_metrics(self, context):
                return Hits()

        @hookimpl
        def register_tasks():
            return [HingeClassification]

    The reward of an image is minus its loss; override ``reward_per_image`` for another reward.
    """

    @abstractmethod
    def loss_per_image(self, outputs: Any, targets: Any) -> Float[Tensor, " batch"]:
        """The loss of each image."""

    def reward_per_image(self, outputs: Any, targets: Any, loss: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The reward of each image, without gradient: minus its loss."""
        return -loss.detach()

    def step(self, model: Model, batch: Batch, progress: Progress) -> StepResult:
        """Read the batch, and compare outputs with targets."""
        output = model(batch)
        loss = self.loss_per_image(output.outputs, batch.targets)
        reward = self.reward_per_image(output.outputs, batch.targets, loss)
        return StepResult(loss, output.outputs, (Pass(output.proposals, reward),))
