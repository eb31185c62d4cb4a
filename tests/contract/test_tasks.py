"""What every task that comes with reorder-kit promises."""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

import reorder_kit.tasks
from reorder_kit.interfaces import (
    Backbone,
    Batch,
    ComponentOptions,
    Encoded,
    Features,
    Grid,
    ModelOutput,
    Order,
    PatchSequence,
    Progress,
    Proposal,
    StepResult,
    TargetKind,
    Task,
)

CLASSES = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]
IMAGES = 6

# A batch of targets for each kind.
TARGETS: dict[str, Callable[[], Any]] = {
    "class": lambda: torch.arange(IMAGES) % len(CLASSES),
}


def shipped_tasks() -> Iterator[type[Task]]:
    for module in pkgutil.iter_modules(reorder_kit.tasks.__path__, "reorder_kit.tasks."):
        if not module.name.rpartition(".")[2].startswith("_"):
            yield from import_module(module.name).register_tasks()


class MeanOfPatches(Backbone):
    """The smallest backbone there can be: 2x2 patches, embedded and averaged."""

    name = "mean-of-patches"
    order_sensitive = False
    depth = 0
    dim = 5
    grid = Grid(2, 2)

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, self.dim, 2, 2)

    def tokenize(self, images: Tensor) -> PatchSequence:
        return PatchSequence(self.embed(images).flatten(2).transpose(1, 2), self.grid)

    def encode(
        self, sequence: PatchSequence, start: int = 0, stop: int | None = None, extra_tokens: Tensor | None = None
    ) -> Encoded:
        return Encoded(sequence)

    def summarize(self, encoded: Encoded) -> Tensor:
        return encoded.sequence.patches.mean(dim=1)

    def reach(self, num_slots: int) -> Tensor:
        return torch.ones(num_slots, dtype=torch.bool)


class Model(nn.Module):
    """The backbone, one order for all, and the head of the task."""

    def __init__(self, task: Task, classes: Sequence[str]) -> None:
        super().__init__()
        self.backbone = MeanOfPatches()
        self.head = task.build_head(self.backbone.dim, classes)

    def forward(self, images: Tensor) -> ModelOutput:
        proposal = Proposal(Order([3, 1, 0, 2]))
        encoded = self.backbone.encode(proposal.apply(self.backbone.tokenize(images)))
        features = Features(encoded, proposal, self.backbone)
        return ModelOutput(self.head(features), features)


@pytest.fixture(params=list(shipped_tasks()), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    kind: type[Task] = request.param
    return kind()


@pytest.fixture
def batch(task: Task) -> Batch:
    return Batch(torch.rand(IMAGES, 1, 4, 4, generator=torch.Generator().manual_seed(0)), TARGETS[task.target_kind]())


@pytest.fixture
def model(task: Task) -> Model:
    torch.manual_seed(0)
    return Model(task, CLASSES)


def step(task: Task, model: Model, batch: Batch) -> StepResult:
    return task.step(model, batch, Progress(step=0, steps_per_epoch=4, epochs=2))


def test_names_are_distinct() -> None:
    names = [task.name for task in shipped_tasks()]
    assert len(names) == len(set(names)) > 0


def test_it_says_what_it_is_and_what_its_options_mean(task: Task) -> None:
    assert task.__doc__
    assert task.target_kind in get_args(TargetKind)
    assert issubclass(task.Options, ComponentOptions)
    assert all(field.description for field in task.Options.model_fields.values())


def test_every_image_has_a_loss_and_a_reward(task: Task, model: Model, batch: Batch) -> None:
    result = step(task, model, batch)
    assert result.loss.shape == result.reward.shape == (IMAGES,)
    assert result.loss.dtype == torch.float32
    assert result.loss.isfinite().all()
    assert result.proposal.order.indices.tolist() == [3, 1, 0, 2]


def test_the_default_reward_is_minus_the_loss_and_has_no_gradient(task: Task, model: Model, batch: Batch) -> None:
    result = step(task, model, batch)
    assert not result.reward.requires_grad
    if type(task).reward_per_image is Task.reward_per_image:
        assert torch.equal(result.reward, -result.loss)


def test_the_loss_of_an_image_does_not_hang_on_the_others(task: Task, model: Model, batch: Batch) -> None:
    whole = step(task, model, batch).loss
    parts = [step(task, model, Batch(batch.images[part], batch.targets[part])).loss for part in (slice(4), slice(4, 6))]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_the_loss_reaches_every_parameter(task: Task, model: Model, batch: Batch) -> None:
    step(task, model, batch).loss.mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_step_down_the_gradient_lowers_the_loss(task: Task, model: Model, batch: Batch) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    before = step(task, model, batch).loss.mean()
    before.backward()
    optimizer.step()
    assert step(task, model, batch).loss.mean() < before


def test_augmenting_keeps_the_number_and_the_shape_of_the_images(task: Task, model: Model, batch: Batch) -> None:
    augmented = task.augment(batch, CLASSES)
    assert augmented.images.shape == batch.images.shape
    assert step(task, model, augmented).loss.shape == (IMAGES,)


def test_the_figures_hold_the_headline_and_do_not_hang_on_batches(task: Task, model: Model, batch: Batch) -> None:
    outputs = step(task, model, batch).outputs
    whole, parts = task.build_metrics(CLASSES, "cpu"), task.build_metrics(CLASSES, "cpu")
    whole.update(outputs, batch.targets)
    for part in (slice(4), slice(4, 6)):
        parts.update(outputs[part], batch.targets[part])
    figures = whole.compute()
    assert math.isfinite(figures[task.headline])
    assert parts.compute() == figures
    for value in figures.values():
        for number in value.values() if isinstance(value, dict) else [value]:
            assert type(number) is float
