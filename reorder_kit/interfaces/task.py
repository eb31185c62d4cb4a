"""The interface of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from reorder_kit.interfaces.backbone import Backbone
from reorder_kit.interfaces.component import Component, ComponentOptions
from reorder_kit.interfaces.control import Control
from reorder_kit.interfaces.data_source import TargetKind, Unreadable
from reorder_kit.interfaces.targets import Annotation, BoxTarget
from reorder_kit.progress import Progress
from reorder_kit.proposal import Proposal
from reorder_kit.sequence import Encoded, PatchSequence


@dataclass(frozen=True)
class Batch:
    """Samples, stacked.

    Args:
        images: the images.
        targets: those of the samples: one tensor, its first dimension the batch, or a list of
            :class:`~reorder_kit.interfaces.targets.BoxTarget`. Shares of the classes after mixing images.
        unreadable: the images that are missing from this batch.
        content: height and width, pixels, of what stands in the top left corner of each image; the rest is padding.
            None if no image has padding.
    """

    images: Float[Tensor, "batch channel height width"]
    targets: Any
    unreadable: tuple[Unreadable, ...] = ()
    content: Int[Tensor, "batch 2"] | None = None

    def __len__(self) -> int:
        return self.images.shape[0]

    def first(self, images: int) -> Batch:
        """The first images with their targets."""
        content = None if self.content is None else self.content[:images]
        return Batch(self.images[:images], self.targets[:images], (), content)

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU can copy from while the processor goes on; torch's loader asks for it."""
        targets = self.targets
        if isinstance(targets, Tensor):
            targets = targets.pin_memory()
        elif targets and isinstance(targets[0], BoxTarget):
            targets = [target.pin_memory() for target in targets]
        content = None if self.content is None else self.content.pin_memory()
        return replace(self, images=self.images.pin_memory(), targets=targets, content=content)


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
        from reorder_kit.interfaces import Task

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
            target_kind = "class"
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

    * ``target_kind``: the targets it needs; a data source with others is refused before anything is loaded.
    * ``headline``: the metric that stands for the others.
    * ``is_dense``: whether its head looks at places. Then soft learners move whole patches forward (straight-through)
      where a recipe does not say otherwise, and nothing is scrambled.
    * ``is_autoregressive``: whether it predicts later patches from earlier ones.

    Args:
        options: the options of the recipe; the defaults if not given.
    """

    target_kind: ClassVar[TargetKind]
    headline: ClassVar[str]
    is_dense: ClassVar[bool] = False
    is_autoregressive: ClassVar[bool] = False

    def __init__(self, options: ComponentOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    def controls(self) -> Sequence[Control]:
        """Controls that only this task has, besides those of the package."""
        return ()

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
