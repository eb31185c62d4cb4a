"""The interface of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from reorder_kit.interfaces.backbone import Backbone
from reorder_kit.interfaces.batch import Batch
from reorder_kit.interfaces.component import Component, ComponentOptions
from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.targets import Annotation
from reorder_kit.progress import Progress
from reorder_kit.proposal import Proposal
from reorder_kit.sequence import Encoded, PatchSequence


@dataclass(frozen=True)
class Features:
    """What a head may look at.

    Args:
        encoded: the backbone's output, in slots.
        proposal: how the patches were moved.
        backbone: where the features come from.
        image_size: height and width of the images, pixels.
        content: height and width, pixels, of each image without its padding; None if no image has padding.
    """

    encoded: Encoded
    proposal: Proposal
    backbone: Backbone
    image_size: tuple[int, int]
    content: Int[Tensor, "batch 2"] | None = None

    def summary(self) -> Float[Tensor, "batch dim"]:
        """The readout of the backbone: one vector for each image."""
        return self.backbone.summarize(self.encoded)

    def patches(self) -> PatchSequence:
        """Patches in row-major places again, for heads of dense tasks; padding is marked invalid."""
        return self.proposal.restore(self.encoded.sequence)


@dataclass(frozen=True)
class ModelOutput:
    """What a pass through the model gives.

    Args:
        outputs: what the head made.
        features: what the head looked at.
    """

    outputs: Any
    features: Features

    @property
    def proposal(self) -> Proposal:
        """How the patches were moved."""
        return self.features.proposal


@runtime_checkable
class Model(Protocol):
    """What a task sees of the ordered model."""

    training: bool

    def __call__(
        self, images: Float[Tensor, "batch channel height width"], content: Int[Tensor, "batch 2"] | None = None
    ) -> ModelOutput:
        """One pass: tokenize, propose, apply, encode, head."""
        ...


@dataclass(frozen=True)
class StepResult:
    """What a step of a task gives.

    Args:
        loss: the loss of each image.
        reward: the reward of each image, without gradient.
        outputs: what the metrics look at.
        proposal: what the policy proposed, for its own loss.
    """

    loss: Float[Tensor, " batch"]
    reward: Float[Tensor, " batch"]
    outputs: Any
    proposal: Proposal


@runtime_checkable
class Metrics(Protocol):
    """Figures over a whole split, collected batch by batch on every process, each image counted once."""

    def update(self, outputs: Any, targets: Any) -> None:
        """Count a batch."""
        ...

    def compute(self) -> dict[str, Any]:
        """The figures over all processes: numbers, or numbers by class name."""
        ...


class Task(Component, ABC):
    """Head, loss of each image, reward of each image, and metrics.

    A complete plugin::

        import torch
        from torch import nn
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import CLASS, Task

        class LinearHead(nn.Module):
            def __init__(self, dim, classes):
                super().__init__()
                self.linear = nn.Linear(dim, classes)

            def forward(self, features):
                return self.linear(features.summary())

        class Hits:
            def __init__(self):
                self.hits, self.images = 0, 0

            def update(self, outputs, targets):
                self.hits += int((outputs.argmax(dim=1) == targets).sum())
                self.images += len(targets)

            def compute(self):
                return {"accuracy": self.hits / self.images}

        class HingeClassification(Task):
            \"""Single labels with the multi-class hinge loss.\"""

            name = "hinge-classification"
            target_kinds = (CLASS,)
            headline = "accuracy"

            def build_head(self, dim, classes):
                return LinearHead(dim, len(classes))

            def loss_per_image(self, outputs, targets):
                return nn.functional.multi_margin_loss(outputs, targets, reduction="none")

            def build_metrics(self, classes, device):
                return Hits()

        @hookimpl
        def register_tasks():
            return [HingeClassification]

    A task says of itself:

    * ``target_kinds``: the kinds of targets it can use, the preferred one first; a data source without any of them is
      refused before anything is loaded.
    * ``headline``: the metric that stands for the others.
    * ``is_dense``: whether its head looks at places. Then soft learners move whole patches forward (straight-through)
      where a recipe does not say otherwise, and nothing is scrambled.
    * ``is_autoregressive``: whether it predicts later patches from earlier ones.

    Args:
        options: the options of the recipe; the defaults if not given.
    """

    target_kinds: ClassVar[tuple[TargetKind, ...]]
    headline: ClassVar[str]
    is_dense: ClassVar[bool] = False
    is_autoregressive: ClassVar[bool] = False

    def __init__(self, options: ComponentOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @abstractmethod
    def build_head(self, dim: int, classes: Sequence[str]) -> nn.Module:
        """The module that turns :class:`Features` into outputs."""

    @abstractmethod
    def loss_per_image(self, outputs: Any, targets: Any) -> Float[Tensor, " batch"]:
        """The loss of each image."""

    @abstractmethod
    def build_metrics(self, classes: Sequence[str], device: Any) -> Metrics:
        """Fresh metrics."""

    def augment(self, batch: Batch, classes: Sequence[str]) -> Batch:
        """Change a training batch as a whole, as mixup does. Draws from torch's global generator."""
        return batch

    def reward_per_image(self, outputs: Any, targets: Any, loss: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The reward of each image: minus its loss."""
        return -loss.detach()

    def score_per_image(self, outputs: Any, targets: Any) -> Float[Tensor, " batch"] | None:
        """What each image adds to the headline metric, where that is a mean over images; None where it is none.

        Studies resample images by it.
        """
        return None

    def step(self, model: Model, batch: Batch, progress: Progress) -> StepResult:
        """One pass through the model. Tasks with several views, decoders or generation override it."""
        output = model(batch.images, content=batch.content)
        loss = self.loss_per_image(output.outputs, batch.targets)
        reward = self.reward_per_image(output.outputs, batch.targets, loss)
        return StepResult(loss, reward, output.outputs, output.proposal)

    def annotate_outputs(self, outputs: Any, classes: Sequence[str]) -> Sequence[Annotation]:
        """What the model says of each image, to be drawn; empty if the task has nothing to show."""
        return ()

    def annotate_targets(self, targets: Any, classes: Sequence[str]) -> Sequence[Annotation]:
        """The truth of each image, to be drawn beside that; empty if the task has nothing to show."""
        return ()


def headline_of(task: Task, figures: Mapping[str, Any]) -> float:
    """The headline metric as a number."""
    return float(figures[task.headline])
