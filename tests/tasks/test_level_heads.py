"""Heads of dense tasks on a hierarchical backbone: all levels are read at the right locations; a run works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import reorder_kit
from contexts import context_of
from reorder_kit.backbones.hierarchical import Hierarchical
from reorder_kit.interfaces import Encoded, Features, ImageShape, Order, PatchSequence, Proposal
from reorder_kit.tasks.detection import Detection
from reorder_kit.tasks.segmentation import Segmentation

IMAGE = ImageShape(1, 16, 32)
HEADS = {"linear": Segmentation, "upernet": Segmentation, "detection": Detection}
LEVELS = ({"mixer": "attention", "heads": 2}, {"mixer": "local", "heads": 2, "window": 1})


@pytest.fixture(scope="module")
def backbone() -> Hierarchical:
    torch.manual_seed(0)
    return Hierarchical(Hierarchical.Options(patch_size=4, dim=8, levels=LEVELS), IMAGE)


def head_of(kind: str, backbone: Hierarchical) -> torch.nn.Module:
    task = HEADS[kind]
    options = task.Options() if kind == "detection" else task.Options(head=kind)
    torch.manual_seed(1)
    return task(options).build_head(context_of(["sky", "sea"], backbone.as_built, image=IMAGE))


def scores_of(outputs: Any) -> Tensor:
    return outputs if isinstance(outputs, Tensor) else outputs.logits


def features_of(backbone: Hierarchical, levels: list[Tensor], order: Order) -> Features:
    """Row-major levels in the slots of an order, as the backbone returns them."""
    sequences = []
    for level, patches in zip(backbone.as_built.levels, levels, strict=True):
        merged = order.merged(level.grid)
        sequences.append(PatchSequence(merged.apply(patches), level.grid, merged))
    proposal = Proposal(order)
    return Features(Encoded(sequences[-1], levels=tuple(sequences)), (proposal,), (proposal,), backbone, (16, 32))


@pytest.mark.parametrize("kind", list(HEADS))
@torch.no_grad()
def test_a_head_reads_every_level_in_its_places_whatever_the_order(kind: str, backbone: Hierarchical) -> None:
    head = head_of(kind, backbone)
    levels = [torch.randn(2, level.grid.num_patches, level.dim) for level in backbone.as_built.levels]
    rows = scores_of(head(features_of(backbone, levels, Order.identity(32))))
    found = scores_of(head(features_of(backbone, levels, Order(torch.randperm(32)))))
    torch.testing.assert_close(found, rows)
    for number, level in enumerate(levels):
        changed = [*levels[:number], torch.randn_like(level), *levels[number + 1 :]]
        assert not torch.allclose(scores_of(head(features_of(backbone, changed, Order.identity(32)))), rows)


@pytest.mark.parametrize("levels", [3, 4])
@pytest.mark.parametrize("kind", list(HEADS))
def test_the_gradient_reaches_every_block_and_every_weight_of_the_head(kind: str, levels: int) -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 32, 32)
    options = Hierarchical.Options(patch_size=4, dim=8, levels=(LEVELS[1],) * levels)
    backbone, proposal = Hierarchical(options, image), Proposal(Order(torch.randperm(64)))
    encoded = backbone.encode(proposal.apply(backbone.tokenize(torch.randn(2, *image.axes))))
    head = head_of(kind, backbone)
    outputs = head(Features(encoded, (proposal,), (proposal,), backbone, (32, 32)))
    found = [outputs] if kind != "detection" else [outputs.logits, outputs.distances, outputs.centerness]
    torch.autograd.backward(sum((each * torch.randn_like(each)).sum() for each in found))
    for module in (backbone.blocks, head):
        assert [name for name, value in module.named_parameters() if value.grad is None] == []
    assert all(any(value.grad.any() for value in block.parameters()) for block in backbone.blocks)


@torch.no_grad()
def test_padded_levels_come_back_to_their_places(backbone: Hierarchical) -> None:
    """Padding may be anywhere as long as the order of valid patches is the same."""
    sequence, valid = backbone.tokenize(torch.randn(1, *IMAGE.axes)), torch.arange(32) % 8 < 5
    seen = [patch for patch in torch.randperm(32).tolist() if valid[patch]]
    unseen = [patch for patch in range(32) if not valid[patch]]
    found = []
    for slots in (seen + unseen, unseen + seen, seen[:7] + unseen + seen[7:]):
        proposal = Proposal(Order(slots))
        padded = PatchSequence(sequence.patches, sequence.grid, valid=valid.unsqueeze(0))
        encoded = backbone.encode(proposal.apply(padded))
        features = Features(encoded, (proposal,), (proposal,), backbone, (16, 32))
        assert features.slots().order == encoded.sequence.order
        found.append(features.pyramid())
    for levels in found:
        assert [level.valid.tolist() for level in levels] == [[valid.tolist()], [[True, True, True, False] * 2]]
        for level, expected in zip(levels, found[0], strict=True):
            torch.testing.assert_close(level.patches[level.valid], expected.patches[level.valid])


SCENES = {
    "name": "scenes",
    "batch_size": 10,
    "image_size": [16, 32],
    "digits": [1, 2],
    "digit_size": [8, 12],
    "train_images": 20,
    "validation_images": 10,
    "test_images": 10,
}


@pytest.mark.parametrize(
    ("task", "backbone_options"),
    [
        ({"name": "detection"}, {"name": "hierarchical", "patch_size": 4, "dim": 8, "levels": list(LEVELS)}),
        ({"name": "segmentation", "head": "upernet"}, {"name": "vmamba", "patch_size": 4, "dim": 4, "depths": [1, 1]}),
    ],
    ids=["detection", "segmentation"],
)
def test_a_run_on_scenes_learns_an_order_and_tells_what_came_out(
    task: dict[str, Any], backbone_options: dict[str, Any], tmp_path: Path
) -> None:
    learner = {"name": "reinforce", "warmup_epochs": 0, "search_epochs": 1, "groups": 2}
    recipe = {
        "format_version": 1,
        "name": "levels",
        "data": SCENES,
        "task": task,
        "backbone": backbone_options,
        "order": {"start": "hilbert", "learner": learner},
        "train": {"epochs": 1, "device": "cpu"},
    }
    result = reorder_kit.run(recipe, out=tmp_path / "run").as_dict()
    assert 0 <= result["metrics"]["test"][result["headline"]] <= 1
    assert sorted(result["order"]["final"]) == list(range(32))
