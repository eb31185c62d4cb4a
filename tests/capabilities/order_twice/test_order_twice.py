"""Orders before block 0 and before block 1: what is trained, evaluated and reported, worked out in two parts."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch.nn import functional as F

from by_hand import as_input, digits, influence, kendall_distance, loss_and_top1, ranks
from reorder_kit import hookimpl
from reorder_kit.analysis.saliency import follow_saliency
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.building import build_model
from reorder_kit.interfaces import Batch, Order, require_first_block_only
from reorder_kit.tasks.classification import Classification

COLUMN = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]


@pytest.fixture(scope="module")
def learned(finished):
    """The patch in each slot before block 0, and the slot in each slot before block 1."""
    weights = load_file(finished.latest_checkpoint() / "policy.safetensors")
    return weights["of_patches"], weights["of_slots"]


@pytest.fixture(scope="module")
def model(capability, finished):
    return capability.open(finished).model


def read_in_two_parts(model, images, first, second):
    """The head's outputs, and the tokens that block 0 is given."""
    sequence = model.backbone.tokenize(as_input(images))
    tokens = sequence.patches[:, torch.tensor(first)].detach().requires_grad_()
    between = model.backbone.encode(sequence.with_patches(tokens), 0, 1).sequence
    moved = between.with_patches(between.patches[:, torch.tensor(second)])
    return model.head.linear(model.backbone.summarize(model.backbone.encode(moved, 1))), tokens


def test_both_orders_were_learned(learned):
    of_patches, of_slots = learned
    assert of_patches.tolist() != COLUMN
    assert of_slots.tolist() != list(range(16))


def test_blocks_are_run_between_the_orders(model, finished, learned):
    images, labels = digits("test")
    loss, top1 = loss_and_top1(read_in_two_parts(model, images, *learned)[0], labels)
    figures = finished.read_result().as_dict()["metrics"]["test"]
    assert (figures["loss"], figures["top1"]) == (pytest.approx(loss, rel=1e-5), pytest.approx(top1))
    # The composed order before block 0 is something else.
    of_patches, of_slots = learned
    at_once = read_in_two_parts(model, images, of_patches[of_slots], np.arange(16))[0]
    assert abs(loss_and_top1(at_once, labels)[0] - loss) > 1e-3


def test_the_composed_order_is_reported_in_patches(finished, learned):
    of_patches, of_slots = learned
    composed = np.array([of_patches[slot] for slot in of_slots])
    order = finished.read_result().as_dict()["order"]
    assert order["final"] == composed.tolist()
    assert order["start"] == COLUMN
    assert order["kendall_tau_to_start"] == pytest.approx(1 - 2 * kendall_distance(composed, np.array(COLUMN)))
    assert order["mean_rank_shift"] == pytest.approx(np.abs(ranks(composed) - ranks(np.array(COLUMN))).mean())
    for path in (finished.order, finished.epoch_order(2)):
        content = json.loads(path.read_text())
        assert content["order"] == composed.tolist()
        assert "is_consensus" not in content


def test_reach_is_not_claimed_and_influence_is_measured(model, finished, learned):
    """Window 2 and two blocks would give five slots if nothing moved between them."""
    images, labels = digits("validation")
    outputs, tokens = read_in_two_parts(model, images, *learned)
    expected = influence(F.cross_entropy(outputs, torch.tensor(labels), reduction="sum"), tokens)
    order = finished.read_result().as_dict()["order"]
    assert order["reach"]["slots"] is None
    assert order["influence"] == pytest.approx(expected, rel=1e-3, abs=1e-9)
    # Block 1 reads its last three slots, and each of those is a slot of block 0 that saw itself and two before it.
    seen = {slot - back for slot in learned[1][-3:].tolist() for back in range(3) if slot >= back}
    assert {slot for slot, share in enumerate(order["influence"]) if share > 0} == seen


@pytest.mark.parametrize("method", ["gradient", "occlusion", "rollout"])
def test_saliency_by_slot_says_that_it_does_not_apply(method, capability, finished):
    with pytest.raises(ReorderKitError, match="orders again before block 1"):
        follow_saliency(capability.open(finished), method, "test", 20)


def test_it_is_the_start_until_something_is_learned(capability, finished):
    run = capability.open(finished)
    start = Order(COLUMN)
    untrained = build_model(run.experiment, run.context, start).eval()
    features = untrained.read(Batch(as_input(digits("test")[0][:3])))
    assert features.order == start
    assert [proposal.block for proposal in features.proposals] == [0, 1]
    assert features.proposals[1].order == Order.identity(16)


def test_features_stand_in_the_places_of_their_patches_again(model, learned):
    images = digits("test")[0][:4]
    features = model.read(Batch(as_input(images)))
    slots, patches = features.slots().patches, features.patches().patches
    for slot, place in enumerate(learned[1].tolist()):
        assert torch.equal(patches[:, int(learned[0][place])], slots[:, slot])


def test_fewer_slots_than_it_knows_are_refused(model):
    keep = (torch.arange(16) < 12).expand(2, -1)
    with pytest.raises(ReorderKitError, match="'two-swaps': its order is for 16 patches, but there are 12"):
        model.read(Batch(as_input(digits("test")[0][:2])), keep)


def test_another_run_learns_both_further(capability, finished, learned):
    learner = {"name": "two-swaps", "memory": 0.8}
    order = {"weights": str(finished.path), "learner": learner}
    second = capability.run("second", {"order": order, "train": {"steps": 1, "device": "cpu"}})
    of_patches, of_slots = learned
    assert json.loads(second.start_order.read_text())["order"] == of_patches[of_slots].tolist()
    weights = load_file(second.latest_checkpoint() / "policy.safetensors")
    # The first step only sets the running mean, which was reset: nothing moves.
    assert (weights["of_patches"].tolist(), weights["of_slots"].tolist()) == (of_patches.tolist(), of_slots.tolist())
    first = load_file(finished.latest_checkpoint() / "policy.safetensors")
    assert weights["mean_reward"] != first["mean_reward"]


class BlockZero(Classification):
    name = "block-zero"

    def check(self, facts, policy):
        require_first_block_only(policy, "this task orders once")


class RefusesIt:
    @staticmethod
    @hookimpl
    def register_tasks():
        return [BlockZero]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task": "block-zero"}, "orders again before block 1: this task orders once"),
        ({"backbone.depth": 1}, r"orders before the blocks \[0, 1\], but the backbone has 1"),
        ({"controls": ["other-image"]}, "other-image needs a learner whose order depends on the image"),
    ],
)
def test_what_does_not_go_with_it_is_refused_before_data_is_loaded(capability, changes, reason):
    with pytest.raises(RecipeError, match=reason):
        capability.run("refused", changes, plugins=(RefusesIt,))
    assert not (capability.out / "refused").exists()
