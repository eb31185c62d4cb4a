"""Every image in its own order: what is trained, evaluated and reported, against numpy."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from by_hand import as_input, digits, influence, kendall_distance, loss_and_top1, patches_2x2, placed, ranks
from reorder_kit import hookimpl
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.interfaces import Batch, require_static
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.tasks.classification import Classification


def orders_by_norm(images):
    """Each image's patches by ascending norm."""
    return np.round(np.sqrt((patches_2x2(images) ** 2).sum(axis=2)), 4).argsort(axis=1, kind="stable")


def read_by_hand(model, images, orders):
    """The head's outputs where the patches of each image stand in the order given for it, and the tokens."""
    sequence = model.backbone.tokenize(as_input(images))
    tokens = placed(sequence.patches, orders).detach().requires_grad_()
    encoded = model.backbone.encode(sequence.with_patches(tokens))
    return model.head.linear(model.backbone.summarize(encoded)), tokens


@pytest.fixture(scope="module")
def consensus():
    """The consensus of the validation images, and the mean distance to it."""
    orders = orders_by_norm(digits("validation")[0])
    agreed = ranks(orders).mean(axis=0).argsort(kind="stable")
    return agreed, np.mean([kendall_distance(each, agreed) for each in orders])


@pytest.fixture(scope="module")
def model(capability, finished):
    return capability.open(finished).model


def test_every_image_is_read_in_its_own_order(model, finished):
    images, labels = digits("test")
    loss, top1 = loss_and_top1(read_by_hand(model, images, orders_by_norm(images))[0], labels)
    figures = finished.read_result().as_dict()["metrics"]["test"]
    assert (figures["loss"], figures["top1"]) == (pytest.approx(loss, rel=1e-5), pytest.approx(top1))
    # In a single order the result would differ.
    in_row_order = read_by_hand(model, images, [range(16)] * len(images))[0]
    assert abs(loss_and_top1(in_row_order, labels)[0] - loss) > 0.01


def test_consensus_and_spread_are_reported_instead_of_a_static_order(finished, consensus):
    agreed, spread = consensus
    order = finished.read_result().as_dict()["order"]
    assert order["final"] == agreed.tolist()
    assert order["is_consensus"]
    assert order["spread"] == pytest.approx(spread, abs=1e-12)
    assert order["examples"] == orders_by_norm(digits("validation")[0])[:4].tolist()
    start = np.array(order["start"])
    assert order["kendall_tau_to_start"] == pytest.approx(1 - 2 * kendall_distance(agreed, start))
    assert order["mean_rank_shift"] == pytest.approx(np.abs(ranks(agreed) - ranks(start)).mean())


def test_order_files_say_that_they_hold_a_consensus(finished, consensus):
    agreed, spread = consensus
    for path in (finished.order, finished.epoch_order(1), finished.epoch_order(2)):
        content = json.loads(path.read_text())
        assert (content["order"], content["is_consensus"]) == (agreed.tolist(), True)
        assert content["spread"] == pytest.approx(spread, abs=1e-12)
        assert OrderFile.load(path).spread == content["spread"]
    assert "is_consensus" not in json.loads(finished.start_order.read_text())
    lines = [json.loads(line) for line in finished.metrics.read_text().splitlines()]
    assert [line["order"]["spread"] for line in lines] == pytest.approx([spread, spread])
    assert lines[1]["order"]["kendall_tau_to_last_epoch"] == 1.0


def test_its_control_reads_images_in_the_orders_of_others(model, finished):
    """The test images in a random sequence, each in the order of the next one of its batch."""
    images, labels = digits("test")
    sequence = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3)).numpy()
    lent = np.empty((len(labels), 16), dtype=int)
    for batch in (sequence[:400], sequence[400:]):
        lent[batch] = orders_by_norm(images[np.roll(batch, -1)])
    loss, top1 = loss_and_top1(read_by_hand(model, images, lent)[0], labels)
    result = finished.read_result().as_dict()
    control = result["controls"]["other-image"]
    assert control["metrics"]["test"]["loss"] == pytest.approx(loss, rel=1e-5)
    assert control["metrics"]["test"]["top1"] == pytest.approx(top1)
    assert control["own"]["test"]["loss"] == pytest.approx(result["metrics"]["test"]["loss"], rel=1e-5)


def test_influence_of_a_slot_is_that_of_the_patch_each_image_has_there(model, finished):
    images, labels = digits("validation")
    outputs, tokens = read_by_hand(model, images, orders_by_norm(images))
    expected = influence(F.cross_entropy(outputs, torch.tensor(labels), reduction="sum"), tokens)
    assert finished.read_result().order.influence == pytest.approx(expected, rel=1e-3)


def test_it_does_not_see_hidden_pixels(model):
    images = digits("validation")[0][:5]
    keep = torch.arange(16) % 3 > 0
    features = model.read(Batch(as_input(images)), keep.expand(5, -1))
    shown = patches_2x2(images) * keep.numpy()[None, :, None]
    orders = np.round(np.sqrt((shown**2).sum(axis=2)), 4).argsort(axis=1, kind="stable")
    assert features.order.per_image(5).tolist() == [[patch for patch in order if keep[patch]] for order in orders]


def test_there_is_no_order_without_an_image(model):
    with pytest.raises(ReorderKitError, match="there is none"):
        model.policy.best_order()


class OneOrder(Classification):
    name = "one-order"

    def check(self, facts, policy):
        require_static(policy, "this task has a single order")


class RefusesIt:
    @staticmethod
    @hookimpl
    def register_tasks():
        return [OneOrder]


def test_a_task_can_refuse_it_before_data_is_loaded(capability):
    with pytest.raises(RecipeError, match="the order depends on the image: this task has a single order"):
        capability.run("refused", {"task": "one-order"}, plugins=(RefusesIt,))
    assert not (capability.out / "refused").exists()


def test_the_smallest_norm_can_be_last(capability):
    folder = capability.run("smallest", {"order.learner": {"name": "patch-norm", "last": "smallest"}, "controls": []})
    norms = np.round(np.sqrt((patches_2x2(digits("validation")[0][:1]) ** 2).sum(axis=2)), 4)[0]
    assert folder.read_result().as_dict()["order"]["examples"][0] == np.argsort(-norms, kind="stable").tolist()
