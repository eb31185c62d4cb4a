"""Prediction along the order, against plain loops."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from capability_cases import prepared
from reorder_kit.interfaces import Order


@pytest.fixture(scope="module")
def loaded(capability, finished):
    return capability.open(finished)


def patch_at(image, number):
    """One of the sixteen patches of 2x2 pixels."""
    row, column = divmod(number, 4)
    return image[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]


@pytest.mark.parametrize("order", ["own", "random", "by image"])
def test_the_loss_is_that_of_plain_loops(order, loaded):
    """Slot by slot: what a linear layer makes of the slot before, against the pixels of the patch that follows."""
    batch, model = prepared(loaded, 6), loaded.model
    generator = torch.Generator().manual_seed(0)
    chosen = {
        "own": model.policy.best_order(),
        "random": Order(torch.randperm(16, generator=generator)),
        "by image": Order(torch.rand(6, 16, generator=generator).argsort(dim=1)),
    }[order]
    reader = model.ordered_by(chosen)
    with torch.no_grad():
        result = loaded.experiment.task.step(reader, batch, loaded.progress)
        tokens = model.backbone.tokenize(batch.images)
        encoded = model.backbone.encode(tokens.with_patches(chosen.apply(tokens.patches))).sequence.patches
        for row, image in enumerate(batch.images):
            places, errors = chosen.per_image(6)[row].tolist(), []
            for slot, place in enumerate(places):
                guess = model.head.first if slot == 0 else model.head.draw(encoded[row, slot - 1])
                errors.append(((patch_at(image, place) - guess.reshape(2, 2)) ** 2).mean().item())
                torch.testing.assert_close(result.outputs[row, place], guess)
            assert result.loss[row].item() == pytest.approx(np.mean(errors), rel=1e-5)
    assert torch.equal(result.passes[0].reward, -result.loss)
    assert torch.equal(loaded.experiment.task.predict(reader, batch), result.outputs)


def test_later_patches_change_no_prediction_of_earlier_ones(loaded):
    batch, model = prepared(loaded, 4), loaded.model
    order = model.policy.best_order().indices.tolist()

    def predictions(images):
        with torch.no_grad():
            return loaded.experiment.task.step(model, batch.with_images(images), loaded.progress).outputs[:, order]

    before = predictions(batch.images)
    for slot in (1, 7, 14):
        images = batch.images.clone()
        for image in images:
            for place in order[slot:]:
                patch_at(image, place).add_(7.0)
        after = predictions(images)
        assert torch.equal(after[:, : slot + 1], before[:, : slot + 1])
        assert (after[:, slot + 1] != before[:, slot + 1]).any(dim=1).all()


def test_the_metric_is_the_mean_loss_and_falls(finished, capability):
    metrics = finished.read_result().as_dict()["metrics"]["test"]
    assert metrics["error"] == pytest.approx(metrics["loss"], rel=1e-5)
    assert np.load(finished.test_scores).mean() == pytest.approx(metrics["loss"], rel=1e-5)
    untrained = capability.run("untrained", {"train.epochs": 1, "optimizer.lr": 1e-9, "order.learner": None})
    assert metrics["error"] < 0.9 * untrained.read_result().metrics.test["error"]


def test_orders_of_groups_are_scored_along_themselves(loaded):
    model, policy = loaded.model, loaded.experiment.build_policy(Order.identity(16), loaded.context.facts, [])
    progress = replace(loaded.progress, phase="search", share=0.5, stream=1)
    policy.advance(progress)
    searching = type(model)(model.backbone, policy, model.head).train()
    batch = prepared(loaded, 9)
    result = loaded.experiment.task.step(searching, batch, progress)
    (proposal,) = result.passes[0].proposals
    assert proposal.order.groups.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    for row in range(9):
        alone = model.ordered_by(Order(proposal.order.indices[row % 4]))
        loss = loaded.experiment.task.step(alone, batch.take(torch.tensor([row])), progress).loss
        torch.testing.assert_close(loss[0], result.loss[row])
    assert torch.autograd.grad(policy.loss(result.passes), policy.logits)[0].abs().max() > 0


def test_influence_is_the_gradient_of_tokens_in_slots(finished, loaded):
    """The last slot predicts nothing, and no gradient comes back from it."""
    batch, model = prepared(loaded, 100), loaded.model
    tokens = model.backbone.tokenize(batch.images)
    leaf = tokens.with_patches(tokens.patches.detach().requires_grad_())
    with patch.object(model.backbone, "tokenize", lambda images: leaf):
        loaded.experiment.task.step(model, batch, loaded.progress).loss.sum().backward()
    by_slot = leaf.patches.grad.norm(dim=2).mean(dim=0)[model.policy.best_order().indices]
    influence = finished.read_result().order.influence
    np.testing.assert_allclose(influence, by_slot / by_slot.sum(), rtol=1e-3)
    assert influence[-1] == 0
    assert min(influence[:-1]) > 0
