"""A task with a small model, data and targets, as tested by the rules of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from reorder_kit.data.collation import DrawnSample, collate
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.interfaces import (
    BOXES,
    CAPTION,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    NONE,
    Backbone,
    BackboneFacts,
    Batch,
    BoxTarget,
    ComponentOptions,
    DataSplits,
    Encoded,
    Grid,
    ImageShape,
    Model,
    Order,
    PatchSequence,
    Progress,
    Sample,
    StepResult,
    TargetKind,
    Task,
    TaskContext,
)
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.testing.component import ComponentCase

IMAGES, SIDE = 6, 32
IMAGE = ImageShape(1, SIDE, SIDE)
CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")
ORDER = (5, 12, 3, 0, 15, 7, 9, 1, 14, 2, 11, 4, 8, 13, 6, 10)
PROGRESS = Progress(step=0, steps_per_epoch=4, epochs=2)


class MeanOfPatches(Backbone):
    """A minimal backbone: 4x4 patches, embedded and averaged."""

    name = "mean-of-patches"

    @classmethod
    def facts(cls, options: Any, image: ImageShape) -> BackboneFacts:
        """A 4x4 grid of patches with five numbers each."""
        return BackboneFacts(Grid(4, 4), dim=5, depth=1, order_sensitive=False)

    def __init__(self) -> None:
        super().__init__(ComponentOptions(), IMAGE)
        self.embed = nn.Conv2d(1, self.dim, 8, 8)

    def tokenize(self, images: Tensor) -> PatchSequence:
        """Embed patches by a convolution."""
        return PatchSequence(self.embed(images).flatten(2).transpose(1, 2), self.grid)

    def encode(
        self, sequence: PatchSequence, start: int = 0, stop: int | None = None, extra_tokens: Tensor | None = None
    ) -> Encoded:
        """Return the sequence unchanged."""
        return Encoded(sequence)

    def summarize(self, encoded: Encoded) -> Tensor:
        """The mean without padding."""
        patches, valid = encoded.sequence.patches, encoded.sequence.valid
        weights = torch.ones_like(patches[..., :1]) if valid is None else valid.unsqueeze(-1).to(patches.dtype)
        return (patches * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)

    def reach(self, num_slots: int) -> Tensor:
        """All."""
        return torch.ones(num_slots, dtype=torch.bool)


def _masks() -> list[Tensor]:
    masks = torch.randint(len(CLASSES), (IMAGES, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    masks[:, :2] = IGNORED
    return list(masks.to(torch.uint8))


def _labels() -> list[Tensor]:
    drawn = torch.randint(2, (IMAGES, len(CLASSES)), generator=torch.Generator().manual_seed(1))
    return list(drawn.float())


def _boxes() -> list[BoxTarget]:
    """One to three boxes per image, but none in the last."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for image in range(IMAGES):
        count = (image + 1) % IMAGES % 4
        corners = torch.rand(count, 2, generator=generator) * 16
        sizes = 4 + torch.rand(count, 2, generator=generator) * 12
        classes = torch.randint(len(CLASSES), (count,), generator=generator)
        found.append(BoxTarget(torch.cat([corners, corners + sizes], dim=1), classes, torch.zeros(count).bool()))
    return found


TARGETS: dict[TargetKind, Callable[[], list[Any]]] = {
    CLASS: lambda: list(range(IMAGES)),
    MULTI_LABEL: _labels,
    BOXES: _boxes,
    MASK: _masks,
    CAPTION: lambda: [f"a picture of {name}" for name in CLASSES[:IMAGES]],
    NONE: lambda: [None] * IMAGES,
}
"""Targets of six samples, by kind."""


class Samples:
    """Noise images with the given targets."""

    def __init__(self, targets: list[Any]) -> None:
        self.targets = targets
        self.images = torch.rand(len(targets), *IMAGE.axes, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.images[index], self.targets[index])


@dataclass(frozen=True)
class TaskCase(ComponentCase[Task]):
    """A task, and the targets it learns from.

    Args:
        kind: the kind of the targets.
        targets: targets of six samples.
    """

    kind: TargetKind
    targets: tuple[Any, ...]

    @cached_property
    def task(self) -> Task:
        """Built."""
        return self.component(self.options)

    @cached_property
    def context(self) -> TaskContext:
        """The context of a run, after the task was fitted to the training data."""
        facts = MeanOfPatches.facts(ComponentOptions(), IMAGE)
        return TaskContext(facts, IMAGE, self.kind, CLASSES, self.fit(self.task))

    def fit(self, task: Task) -> Mapping[str, Any]:
        """What a task computes from the training data."""
        samples = Samples(list(self.targets))
        splits = DataSplits(IMAGE, CLASSES, samples, samples, samples)
        return task.fit(TrainingSplit(splits, seed=0, kind=self.kind))

    def model(self) -> OrderedModel:
        """A model whose weights are always the same."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            backbone = MeanOfPatches()
            head = self.task.build_head(self.context)
            state = self.task.build_state(self.context, backbone, head)
            return OrderedModel(backbone, FixedOrder(Order(ORDER)), head, state)

    def raw_batch(self, training: bool = True) -> Batch:
        """The samples and their views before the task prepares them."""
        samples, views = Samples(list(self.targets)), self.task.views(training)
        drawn = []
        for number in range(IMAGES):
            sample = samples[number]
            noise = torch.Generator().manual_seed(number)
            further = [
                sample._replace(image=sample.image + 0.1 * torch.randn(IMAGE.axes, generator=noise))
                for _ in range(views)
            ]
            seeds = tuple(100 * version + number for version in range(1 + views))
            drawn.append(DrawnSample((sample, *further), seeds))
        return collate(drawn, self.kind, views)

    def batch(self, training: bool = True) -> Batch:
        """The prepared samples."""
        return self.task.prepare(self.raw_batch(training), training, self.context)

    def step(self, model: Model, batch: Batch) -> StepResult:
        """A training step."""
        return self.task.step(model, batch, PROGRESS)

    @torch.no_grad()
    def predictions(self, model: OrderedModel, batch: Batch) -> Any:
        """The predictions of the model for a batch."""
        model.eval()
        return self.task.predict(self.task.model_for_evaluation(model), batch)


def in_two_parts(batch: Batch) -> list[Batch]:
    """Four images, then two."""
    return [batch.take(part) for part in torch.split(torch.arange(IMAGES), [4, 2])]
