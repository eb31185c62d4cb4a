"""What every task that comes with reorder-kit promises."""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import reorder_kit.tasks
from contexts import context_of
from reorder_kit.interfaces import (
    BOXES,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    Backbone,
    BackboneFacts,
    Batch,
    BoxTarget,
    ComponentOptions,
    Encoded,
    Grid,
    ImageShape,
    Order,
    PatchSequence,
    Progress,
    StepResult,
    SupervisedTask,
    TargetKind,
    Task,
    TaskContext,
)
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.ordered_model import OrderedModel

CLASSES = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]
IMAGES = 6

SIDE = 32
IMAGE = ImageShape(1, SIDE, SIDE)
ORDER = [5, 12, 3, 0, 15, 7, 9, 1, 14, 2, 11, 4, 8, 13, 6, 10]


def boxes() -> list[BoxTarget]:
    """One to three boxes an image, but none in the last."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for image in range(IMAGES):
        count = (image + 1) % IMAGES % 4
        corners = torch.rand(count, 2, generator=generator) * 16
        sizes = 4 + torch.rand(count, 2, generator=generator) * 12
        classes = torch.randint(len(CLASSES), (count,), generator=generator)
        found.append(BoxTarget(torch.cat([corners, corners + sizes], dim=1), classes, torch.zeros(count).bool()))
    return found


def masks() -> Tensor:
    mask = torch.randint(len(CLASSES), (IMAGES, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    mask[:, :2] = IGNORED
    return mask


# A batch of targets for each kind.
TARGETS: dict[TargetKind, Callable[[], Any]] = {
    CLASS: lambda: torch.arange(IMAGES) % len(CLASSES),
    MULTI_LABEL: lambda: torch.randint(2, (IMAGES, len(CLASSES)), generator=torch.Generator().manual_seed(1)).float(),
    BOXES: boxes,
    MASK: masks,
}


def shipped_tasks() -> Iterator[type[Task]]:
    for module in pkgutil.iter_modules(reorder_kit.tasks.__path__, "reorder_kit.tasks."):
        if not module.name.rpartition(".")[2].startswith("_"):
            yield from import_module(module.name).register_tasks()


class MeanOfPatches(Backbone):
    """The smallest backbone there can be: 4x4 patches, embedded and averaged."""

    name = "mean-of-patches"

    @classmethod
    def facts(cls, options: ComponentOptions, image: ImageShape) -> BackboneFacts:
        return BackboneFacts(Grid(4, 4), dim=5, depth=1, order_sensitive=False)

    def __init__(self) -> None:
        super().__init__(ComponentOptions(), IMAGE)
        self.embed = nn.Conv2d(1, self.dim, 8, 8)

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


@pytest.fixture(params=list(shipped_tasks()), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    kind: type[Task] = request.param
    return kind()


@pytest.fixture
def batch(task: Task) -> Batch:
    kind = task.target_kinds[0]
    return Batch(torch.rand(IMAGES, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)), TARGETS[kind](), kind)


@pytest.fixture
def context(task: Task) -> TaskContext:
    return context_of(CLASSES, MeanOfPatches.facts(ComponentOptions(), IMAGE), task.target_kinds[0], IMAGE)


@pytest.fixture
def model(task: Task, context: TaskContext) -> OrderedModel:
    torch.manual_seed(0)
    return OrderedModel(MeanOfPatches(), FixedOrder(Order(ORDER)), task.build_head(context))


def step(task: Task, model: OrderedModel, batch: Batch) -> StepResult:
    return task.step(model, batch, Progress(step=0, steps_per_epoch=4, epochs=2))


def in_two_parts(batch: Batch) -> list[Batch]:
    return [batch.take(part) for part in torch.arange(IMAGES).split([4, 2])]


@torch.no_grad()
def predictions(task: Task, model: OrderedModel, batch: Batch) -> Any:
    return task.predict(model.eval(), batch)


def test_names_are_distinct() -> None:
    names = [task.name for task in shipped_tasks()]
    assert len(names) == len(set(names)) > 0


def test_it_says_what_it_is_and_what_its_options_mean(task: Task) -> None:
    assert task.__doc__
    assert all(isinstance(kind, TargetKind) for kind in task.target_kinds)
    assert issubclass(task.Options, ComponentOptions)
    assert all(field.description for field in task.Options.model_fields.values())


def test_every_image_has_a_loss_and_a_reward(task: Task, model: OrderedModel, batch: Batch) -> None:
    result = step(task, model, batch)
    assert result.loss.shape == result.reward.shape == (IMAGES,)
    assert result.loss.dtype == torch.float32
    assert result.loss.isfinite().all()
    [each] = result.passes
    assert [proposal.order.indices.tolist() for proposal in each.proposals] == [ORDER]


def test_the_default_reward_is_minus_the_loss_and_has_no_gradient(
    task: Task, model: OrderedModel, batch: Batch
) -> None:
    result = step(task, model, batch)
    assert not result.reward.requires_grad
    if isinstance(task, SupervisedTask) and type(task).reward_per_image is SupervisedTask.reward_per_image:
        assert torch.equal(result.reward, -result.loss)


def test_the_loss_of_an_image_does_not_hang_on_the_others(task: Task, model: OrderedModel, batch: Batch) -> None:
    whole = step(task, model, batch).loss
    parts = [step(task, model, part).loss for part in in_two_parts(batch)]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_the_loss_reaches_every_parameter(task: Task, model: OrderedModel, batch: Batch) -> None:
    step(task, model, batch).loss.mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_step_down_the_gradient_lowers_the_loss(task: Task, model: OrderedModel, batch: Batch) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    before = step(task, model, batch).loss.mean()
    before.backward()
    optimizer.step()
    assert step(task, model, batch).loss.mean() < before


@pytest.mark.parametrize("training", [True, False])
def test_preparing_keeps_the_number_and_the_shape_of_the_images(
    training: bool, task: Task, context: TaskContext, model: OrderedModel, batch: Batch
) -> None:
    before = torch.get_rng_state()
    prepared = task.prepare(batch, training, context)
    assert torch.equal(torch.get_rng_state(), before)
    assert prepared.images.shape == batch.images.shape
    assert step(task, model, prepared).loss.shape == (IMAGES,)


def test_the_figures_hold_the_headline_and_do_not_hang_on_batches(
    task: Task, context: TaskContext, model: OrderedModel, batch: Batch
) -> None:
    whole, parts = task.build_metrics(context), task.build_metrics(context)
    whole.update(predictions(task, model, batch), batch)
    for part in in_two_parts(batch):
        parts.update(predictions(task, model, part), part)
    figures, figures_of_parts = whole.compute(), parts.compute()
    assert math.isfinite(figures[task.headline])
    assert figures_of_parts.keys() == figures.keys()
    for name, value in figures.items():
        assert figures_of_parts[name] == pytest.approx(value, abs=1e-6)
        for number in value.values() if isinstance(value, dict) else [value]:
            assert type(number) is float


def test_the_headline_is_the_mean_of_what_images_score_where_they_score(
    task: Task, context: TaskContext, model: OrderedModel, batch: Batch
) -> None:
    predicted = predictions(task, model, batch)
    scores = task.score_per_image(predicted, batch)
    if scores is None:
        assert task.name != "classification"
        return
    assert scores.shape == (IMAGES,)
    assert scores.dtype == torch.float32
    metrics = task.build_metrics(context)
    metrics.update(predicted, batch)
    assert float(scores.mean()) == pytest.approx(metrics.compute()[task.headline], abs=1e-6)


def test_every_image_has_something_to_look_at(
    task: Task, context: TaskContext, model: OrderedModel, batch: Batch
) -> None:
    predicted = predictions(task, model, batch)
    answers, truths = task.annotate_predictions(predicted, context), task.annotate_targets(batch, context)
    assert len(answers) == len(truths) == IMAGES
    for annotation in (*answers, *truths):
        assert len(annotation.box_texts) == len(annotation.boxes)
        assert annotation.text or len(annotation.boxes) or annotation.mask is not None or BOXES in task.target_kinds


def test_what_is_predicted_is_what_the_step_gave_and_needs_no_targets(
    task: Task, model: OrderedModel, batch: Batch
) -> None:
    model.eval()
    with torch.no_grad():
        result = step(task, model, batch)
        alone = task.predict(model, Batch(batch.images))
    assert type(task.predict(model, batch, result)) is type(alone)
    if isinstance(alone, Tensor):
        torch.testing.assert_close(alone, task.predict(model, batch, result))


def test_only_tasks_whose_targets_lie_in_the_image_are_dense(task: Task) -> None:
    assert task.is_dense == task.target_kinds[0].lies_in_image
