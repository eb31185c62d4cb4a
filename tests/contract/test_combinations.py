"""Every task with every backbone and every way of ordering: pairs in the fast suite, all of them in the full one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from reorder_kit.data.collation import DrawnSample, collate
from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import (
    BOXES,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    Batch,
    BoxTarget,
    DataSource,
    DataSplits,
    ImageShape,
    PatchSequence,
    Progress,
    Sample,
    TargetKind,
    TaskContext,
)
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.testing import host_with

IMAGE = ImageShape(1, 32, 32)
CLASSES = ["ant", "bee", "cat"]
# A new backbone adds its small options here, for patches of 8x8 pixels.
BACKBONES: dict[str, dict[str, Any]] = {
    "vit": {"dim": 16, "heads": 2, "depth": 2},
    "timm": {"model": "test_vit"},
    "local": {"dim": 16, "heads": 2, "depth": 2, "window": 20, "causal": False, "readout": "mean"},
    "longformer": {"dim": 16, "heads": 2, "depth": 2, "window": 14},
    "arm": {"dim": 8, "depth": 2, "state": 2},
    "hierarchical": {"dim": 16, "levels": [{"mixer": "local"}, {"mixer": "attention"}]},
    "mamba": {"dim": 16, "depth": 2, "state": 2},
    "mamba2": {"dim": 8, "depth": 2, "state": 4, "head_dim": 8},
    "gated-deltanet": {"dim": 8, "depth": 2, "heads": 2},
    "recurrent": {"dim": 16, "depth": 2, "readout": "mean"},
    "sparse": {"dim": 16, "heads": 2, "depth": 2, "stride": 4},
    "transformer-xl": {"dim": 16, "heads": 2, "depth": 2, "segment": 6, "memory": 6},
    "vmamba": {"dim": 8, "depths": [1, 1]},
    "violin": {"dim": 16, "heads": 2, "depth": 2, "along_sequence": True},
}
OF_LEVELS = {"hierarchical", "vmamba"}
LEARNERS: dict[str, dict[str, Any] | None] = {
    "fixed": None,
    "reinforce": {"name": "reinforce", "groups": 2, "warmup_epochs": 0, "search_epochs": 1},
    "softsort": {"name": "softsort", "warmup_epochs": 0, "search_epochs": 1},
}
HOST = host_with()
TASKS = sorted(HOST.tasks)
# The middle of a search of two epochs.
PROGRESS = Progress(step=2, steps_per_epoch=4, epochs=2, stream=1, shared_stream=2, share=0.5, phase_step=2)


def target(kind: TargetKind, image: int, mask: Tensor) -> Any:
    if kind == CLASS:
        return image % len(CLASSES)
    if kind == MULTI_LABEL:
        return torch.tensor([1.0, 0.0, float(image % 2)])
    if kind == BOXES:
        box = torch.tensor([[8.0, 8.0, 16.0, 20.0]])[: image % 3]
        return BoxTarget(box, torch.full((len(box),), 1), torch.zeros(len(box), dtype=torch.bool))
    return mask


class Small(DataSource):
    """Four images with every kind of target; the last has padding."""

    name = "small"
    target_kinds = (CLASS, MULTI_LABEL, BOXES, MASK)

    def open(self, seed: int) -> DataSplits:
        raise AssertionError("its samples are made by batch()")


def batch(kind: TargetKind) -> Batch:
    generator = torch.Generator().manual_seed(0)
    samples = []
    for image in range(4):
        mask = torch.randint(len(CLASSES), (32, 32), generator=generator)
        content = (24, 32) if image == 3 else None
        if content:
            mask[24:] = IGNORED
        samples.append(Sample(torch.randn(1, 32, 32, generator=generator), target(kind, image, mask), content))
    return collate([DrawnSample((sample,), (number,)) for number, sample in enumerate(samples)], kind)


def experiment(task: str, backbone: str, learner: str, start: Any = "spiral") -> Experiment:
    learned = LEARNERS[learner]
    if learner == "softsort" and backbone in OF_LEVELS:  # which refuse soft mixtures
        learned = {**LEARNERS["softsort"], "straight_through": True}
    content = {
        "format_version": 1,
        "name": "combination",
        "data": {"name": "small"},
        "task": task,
        "backbone": {"name": backbone, "patch_size": 8, **BACKBONES[backbone]},
        "order": {"start": start, "learner": learned},
        "train": {"epochs": 2},
    }
    return compose(content, host_with(Small), "combination")


def build(made: Experiment) -> OrderedModel:
    facts = made.facts(IMAGE)
    context = TaskContext(facts, IMAGE, made.kind, CLASSES)
    return build_model(made, context, made.start.order(facts.grid))


def pairwise() -> Iterator[tuple[str, str, str]]:
    """Every task with every backbone, cycling through learners so that each meets all of both."""
    for place, (task, backbone) in enumerate(product(TASKS, BACKBONES)):
        number_of_task, number_of_backbone = divmod(place, len(BACKBONES))
        yield task, backbone, list(LEARNERS)[(number_of_task + number_of_backbone) % len(LEARNERS)]


def check(task: str, backbone: str, learner: str) -> None:
    made = experiment(task, backbone, learner)
    model = build(made).train()
    images = batch(made.kind)
    model.policy.advance(PROGRESS)
    torch.manual_seed(0)
    result = made.task.step(model, images, PROGRESS)
    assert result.loss.shape == result.reward.shape == (len(images),)
    assert result.loss.isfinite().all()
    total = result.loss.mean() + model.policy.loss(result.passes, images)
    parameters = [*model.backbone.parameters(), *model.head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    total.backward()
    optimizer.step()
    assert all(parameter.isfinite().all() for parameter in parameters)
    if LEARNERS[learner] is not None:
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in model.policy.parameters())
    # An image has the same loss alone and in a batch, whose loss is the mean.
    model.eval()
    with torch.no_grad():
        together = made.task.step(model, images, PROGRESS).loss
        alone = [made.task.step(model, single, PROGRESS).loss for single in map(images_alone(images), range(4))]
    torch.testing.assert_close(torch.cat(alone), together, rtol=1e-4, atol=1e-5)


def images_alone(images: Batch) -> Any:
    return lambda place: images.take(torch.tensor([place]))


def test_every_backbone_of_the_package_is_in_the_table() -> None:
    assert sorted(BACKBONES) == sorted(HOST.backbones)


def test_pairs_cover_every_task_and_backbone_with_every_learner() -> None:
    pairs = list(pairwise())
    for first, second in ((0, 1), (0, 2), (1, 2)):
        seen = {(combination[first], combination[second]) for combination in pairs}
        names = (TASKS, list(BACKBONES), list(LEARNERS))
        assert seen == set(product(names[first], names[second]))


@pytest.mark.parametrize(("task", "backbone", "learner"), list(pairwise()))
def test_a_step_of_a_pair(task: str, backbone: str, learner: str) -> None:
    check(task, backbone, learner)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "backbone", "learner"), list(product(TASKS, BACKBONES, LEARNERS)))
def test_a_step_of_every_combination(task: str, backbone: str, learner: str) -> None:
    check(task, backbone, learner)


def without_padding(images: Batch) -> Batch:
    return replace(images, content=None)


def gradients(made: Experiment, model: OrderedModel, images: Batch) -> dict[str, Tensor]:
    """Gradient of the loss by the weights of backbone and head, with the same randomness each time."""
    model.zero_grad()
    torch.manual_seed(0)
    made.task.step(model, images, PROGRESS).loss.mean().backward()
    weights = [*model.backbone.named_parameters(), *model.head.named_parameters()]
    return {name: weight.grad.clone() for name, weight in weights if weight.grad is not None}


# Warnings that torch's compiler raises and catches itself must not become errors inside it.
@pytest.mark.filterwarnings("default")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "learner", "backbone"),
    # The compiled part depends neither on task nor on learner. A scan, a window and full attention skip padding
    # differently.
    [("detection", "softsort", "local"), ("segmentation", "fixed", "vit"), ("detection", "softsort", "mamba")],
)
def test_compiling_changes_nothing_for_tasks_that_look_at_places(task: str, learner: str, backbone: str) -> None:
    made = experiment(task, backbone, learner)
    plain, compiled = build(made), build(made)
    torch.compiler.reset()
    compiled.compile_encode()
    for model in (plain, compiled):
        model.policy.advance(PROGRESS)
    padded = batch(made.kind)
    # Batches with and without padding alternate, as in a run, and so do training and evaluation.
    for images in (padded, without_padding(padded), padded):
        expected, found = (gradients(made, model.train(), images) for model in (plain, compiled))
        assert expected.keys() == found.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5)
        with torch.no_grad():
            losses = [made.task.step(model.eval(), images, PROGRESS).loss for model in (plain, compiled)]
        torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", list(BACKBONES))
@pytest.mark.parametrize("ordering", sorted(set(HOST.orderings) - {"custom", "raced"}))
def test_a_bright_patch_is_found_where_it_is(ordering: str, backbone: str) -> None:
    made = experiment("classification", backbone, "fixed", ordering)
    model = build(made).eval()
    dark, bright = torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)
    bright[:, :, 16:24, 8:16] = 3.0  # the patch in row 2, column 1 of 4x4

    def patches(images: Tensor) -> Tensor:
        seen: list[PatchSequence] = []

        def watch(sequence: PatchSequence) -> PatchSequence:
            seen.append(sequence)
            return sequence

        features = model.watched(watch).read(Batch(images))
        return features.moves[0].restore(seen[0]).patches

    changed = (patches(bright) - patches(dark)).norm(dim=-1)
    assert (changed[0] > 0).nonzero().flatten().tolist() == [9]


def test_a_model_that_does_not_care_about_the_order_gives_every_patch_the_same() -> None:
    made = experiment("classification", "vit", "fixed")
    model = build(made).eval()
    images = batch(CLASS)
    rows = HOST.orderings.get("row")().order(model.facts.grid)
    expected = model.ordered_by(rows)(images).features.patches().patches
    found = model(images).features.patches().patches
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_no_mixer_reads_padding(backbone: str) -> None:
    made = experiment("classification", backbone, "fixed", {"name": "random", "seed": 1})
    model = build(made).eval()
    content = torch.tensor([[24, 32], [32, 12]])
    images = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    changed = images.clone()
    changed[0, :, 24:] += 10.0
    changed[1, :, :, 16:] -= 10.0  # the patches of columns 1 and 2 hold some of the content
    first, second = (model(Batch(which, content=content)) for which in (images, changed))
    torch.testing.assert_close(first.outputs, second.outputs)
    valid = first.features.pyramid()[0].valid
    assert valid is not None
    assert valid.reshape(2, 4, 4)[0].all(dim=1).tolist() == [True, True, True, False]
    assert valid.reshape(2, 4, 4)[1].all(dim=0).tolist() == [True, True, False, False]
    for one, other in zip(first.features.pyramid(), second.features.pyramid(), strict=True):
        assert one.valid is not None
        torch.testing.assert_close(one.patches[one.valid], other.patches[one.valid])
