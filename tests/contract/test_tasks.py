"""What every task that comes with reorder-kit promises."""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import reorder_kit.tasks
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
    Features,
    Grid,
    ImageShape,
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

SIDE = 32
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
TARGETS: dict[str, Callable[[], Any]] = {
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
        return BackboneFacts(Grid(4, 4), dim=5, depth=0, order_sensitive=False)

    def __init__(self) -> None:
        super().__init__(ComponentOptions(), ImageShape(1, 32, 32))
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


class Model(nn.Module):
    """The backbone, one order for all, and the head of the task."""

    def __init__(self, task: Task, classes: Sequence[str]) -> None:
        super().__init__()
        self.backbone = MeanOfPatches()
        self.head = task.build_head(self.backbone.dim, classes)

    def forward(self, images: Tensor, content: Tensor | None = None) -> ModelOutput:
        proposal = Proposal(Order(ORDER))
        encoded = self.backbone.encode(proposal.apply(self.backbone.tokenize(images)))
        features = Features(encoded, proposal, self.backbone, (images.shape[-2], images.shape[-1]), content)
        return ModelOutput(self.head(features), features)


@pytest.fixture(params=list(shipped_tasks()), ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    kind: type[Task] = request.param
    return kind()


@pytest.fixture
def batch(task: Task) -> Batch:
    kind = task.target_kinds[0]
    return Batch(torch.rand(IMAGES, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)), TARGETS[kind](), kind)


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
    assert all(isinstance(kind, TargetKind) for kind in task.target_kinds)
    assert issubclass(task.Options, ComponentOptions)
    assert all(field.description for field in task.Options.model_fields.values())


def test_every_image_has_a_loss_and_a_reward(task: Task, model: Model, batch: Batch) -> None:
    result = step(task, model, batch)
    assert result.loss.shape == result.reward.shape == (IMAGES,)
    assert result.loss.dtype == torch.float32
    assert result.loss.isfinite().all()
    assert result.proposal.order.indices.tolist() == ORDER


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
    whole, parts = task.build_metrics(CLASSES, "cpu"), task.build_metrics(CLASSES, "cpu")
    model.eval()
    with torch.no_grad():
        whole.update(step(task, model, batch).outputs, batch.targets)
        for part in (slice(4), slice(4, 6)):
            part_of_batch = Batch(batch.images[part], batch.targets[part])
            parts.update(step(task, model, part_of_batch).outputs, part_of_batch.targets)
    figures, figures_of_parts = whole.compute(), parts.compute()
    assert math.isfinite(figures[task.headline])
    assert figures_of_parts.keys() == figures.keys()
    for name, value in figures.items():
        assert figures_of_parts[name] == pytest.approx(value, abs=1e-6)
        for number in value.values() if isinstance(value, dict) else [value]:
            assert type(number) is float


def test_the_headline_is_the_mean_of_what_images_score_where_they_score(task: Task, model: Model, batch: Batch) -> None:
    model.eval()
    with torch.no_grad():
        outputs = step(task, model, batch).outputs
    scores = task.score_per_image(outputs, batch.targets)
    if scores is None:
        assert task.name != "classification"
        return
    assert scores.shape == (IMAGES,)
    assert scores.dtype == torch.float32
    metrics = task.build_metrics(CLASSES, "cpu")
    metrics.update(outputs, batch.targets)
    assert float(scores.mean()) == pytest.approx(metrics.compute()[task.headline], abs=1e-6)


def test_every_image_has_something_to_look_at(task: Task, model: Model, batch: Batch) -> None:
    model.eval()
    with torch.no_grad():
        outputs = step(task, model, batch).outputs
    answers, truths = task.annotate_outputs(outputs, CLASSES), task.annotate_targets(batch.targets, CLASSES)
    assert len(answers) == len(truths) == IMAGES
    for annotation in (*answers, *truths):
        assert len(annotation.box_texts) == len(annotation.boxes)
        assert annotation.text or len(annotation.boxes) or annotation.mask is not None or BOXES in task.target_kinds


def test_only_tasks_whose_targets_lie_in_the_image_are_dense(task: Task) -> None:
    assert task.is_dense == task.target_kinds[0].lies_in_image
