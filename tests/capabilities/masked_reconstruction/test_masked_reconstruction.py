"""Masks, what they hide, and REINFORCE with them, against plain loops."""

from __future__ import annotations

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch

from capability_cases import prepared
from reorder_kit.data.collation import collate
from reorder_kit.data.data_loading import KeyedSamples, SampleKey, evaluation_loader
from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import Order, PatchSequence
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.recipe.overrides import override

BACKBONES = {
    "local": {"name": "local", "causal": True, "depth": 2, "dim": 8, "heads": 2},
    "longformer": {"name": "longformer", "depth": 1, "dim": 8, "heads": 2, "window": 1},
    "mamba": {"name": "mamba", "depth": 1, "dim": 8},
    "recurrent": {"name": "recurrent", "depth": 1, "dim": 8, "bidirectional": True},
    "transformer-xl": {"name": "transformer-xl", "depth": 1, "dim": 8, "heads": 2, "segment": 3, "memory": 3},
    "vit": {"name": "vit", "depth": 1, "dim": 8, "heads": 2},
}


@pytest.fixture(scope="module")
def loaded(capability, finished):
    return capability.open(finished)


@pytest.fixture(scope="module")
def searching(loaded):
    """The model as it trains during the search, which has moved from the start."""
    model = loaded.model
    policy = loaded.experiment.build_policy(model.policy.best_order(), loaded.context.facts, [])
    policy.load_state_dict(model.policy.state_dict())
    progress = replace(loaded.progress, phase="search", share=0.5, stream=3)
    policy.advance(progress)
    return type(model)(model.backbone, policy, model.head).train(), progress


def patches_of(image):
    """The sixteen patches of 2x2 pixels."""
    return [image[0, row : row + 2, column : column + 2] for row in range(0, 8, 2) for column in range(0, 8, 2)]


def test_half_the_patches_are_hidden_and_others_in_each_image(loaded):
    keep = prepared(loaded, 400, "test").prepared["keep"]
    assert (keep.sum(dim=1) == 8).all()
    assert len(keep.unique(dim=0)) > 380
    assert (keep.float().mean(dim=0) - 0.5).abs().max() < 4 * 0.5 / 400**0.5  # four standard deviations


def test_masks_belong_to_samples_and_to_epochs_of_training(loaded):
    task, context, samples = loaded.experiment.task, loaded.context, loaded.experiment.open_data()
    by_size = []
    for size in (7, 100):
        loader = evaluation_loader(samples.validation, context.kind, "validation", size, 0)
        by_size.append(torch.cat([task.prepare(batch, False, context).prepared["keep"] for batch in loader]))
    assert torch.equal(*by_size)
    keyed = KeyedSamples(samples.train, "train", 0)
    epochs = [
        task.prepare(collate([keyed[SampleKey(epoch, index)] for index in range(20)], context.kind), True, context)
        for epoch in (0, 0, 1)
    ]
    first, again, next_epoch = (batch.prepared["keep"] for batch in epochs)
    assert torch.equal(first, again)
    assert (first != next_epoch).any(dim=1).all()


def test_candidates_of_a_search_are_compared_under_the_masks_that_are_trained_with(capability):
    task, events = capability.plugin.MaskedReconstruction, []
    prepare, read = task.prepare, OrderedModel.read

    def noted_prepare(self, batch, training, context):
        found = prepare(self, batch, training, context)
        events.append(("prepare", found.prepared["keep"], training))
        return found

    def noted_read(self, batch, keep=None):
        events.append(("read", keep, self.training))
        return read(self, batch, keep)

    learner = {"name": "random-search", "warmup_epochs": 0, "search_epochs": 1, "candidates": 3, "explore_share": 0.0}
    measured = patch("reorder_kit.training.run.encoder_cost", return_value=None)  # it encodes whole images at the end
    with measured, patch.object(task, "prepare", noted_prepare), patch.object(OrderedModel, "read", noted_read):
        capability.run("searching", {"order.learner": learner, "train.epochs": 1, "data.batch_size": 400})
    masks, tried = None, []
    for event, keep, training in events:
        if event == "prepare":
            masks, number = keep, 0
            continue
        assert torch.equal(keep, masks[: len(keep)])
        number += 1
        if training:
            tried.append(number - 1)
    assert len(tried) == 3
    assert all(candidates >= 3 for candidates in tried)


def test_the_loss_is_the_error_of_hidden_pixels(loaded):
    batch = prepared(loaded, 10)
    with torch.no_grad():
        result = loaded.experiment.task.step(loaded.model, batch, loaded.progress)
    for image, keep, drawn, loss in zip(batch.images, batch.prepared["keep"], result.outputs, result.loss, strict=True):
        errors = [
            ((place - guess.reshape(2, 2)) ** 2).mean().item()
            for place, guess, is_kept in zip(patches_of(image), drawn, keep, strict=True)
            if not is_kept
        ]
        assert len(errors) == 8
        assert loss.item() == pytest.approx(np.mean(errors), rel=1e-5)
    assert torch.equal(result.passes[0].reward, -result.loss)


def test_it_has_learned_and_the_metric_is_the_mean_loss(finished):
    metrics = finished.read_result().as_dict()["metrics"]["test"]
    assert metrics["error"] == pytest.approx(metrics["loss"], rel=1e-5)
    assert np.load(finished.test_scores).mean() == pytest.approx(metrics["loss"], rel=1e-5)
    first, *_, last = [json.loads(line)["validation"]["error"] for line in finished.metrics.read_text().splitlines()]
    assert last < 0.9 * first


@pytest.mark.parametrize("backbone", BACKBONES)
def test_hidden_patches_change_nothing(backbone, capability, loaded):
    content = override(capability.recipe, {"backbone": {"patch_size": 2, **BACKBONES[backbone]}}.items())
    experiment = compose(content, capability.host(), "trial")
    context = replace(loaded.context, facts=experiment.facts(loaded.context.image))
    model = build_model(experiment, context, Order(torch.arange(15, -1, -1))).eval()
    batch = prepared(loaded, 8)
    for order in (model.policy.best_order(), Order(torch.randperm(16)), Order(torch.rand(8, 16).argsort(dim=1))):
        reader = model.ordered_by(order)
        before = drawn(experiment.task, reader, batch, loaded)
        assert torch.equal(drawn(experiment.task, reader, disturbed(batch, ~batch.prepared["keep"]), loaded), before)
        after = drawn(experiment.task, reader, disturbed(batch, batch.prepared["keep"]), loaded)
        assert (after != before).flatten(1).any(dim=1).all()


def drawn(task, model, batch, loaded):
    with torch.no_grad():
        return task.step(model, batch, loaded.progress).outputs


def disturbed(batch, chosen):
    """Other pixels in the chosen patches."""
    images = batch.images.clone()
    for image, row in zip(images, chosen, strict=True):
        for place, is_chosen in zip(patches_of(image), row, strict=True):
            place += 5.0 * is_chosen
    return batch.with_images(images)


def test_what_is_read_is_the_sequence_of_kept_patches(loaded):
    """Each image by itself: its kept tokens in the order, and nothing else."""
    batch, model = prepared(loaded, 5), loaded.model
    order, keep = model.policy.best_order(), batch.prepared["keep"]
    with torch.no_grad():
        features = model.read(batch, keep)
        tokens = model.backbone.tokenize(batch.images).patches
        places = features.patches()
        for row in range(5):
            kept = [patch for patch in order.indices.tolist() if keep[row, patch]]
            alone = PatchSequence(tokens[row : row + 1, kept], model.facts.grid)
            encoded = model.backbone.encode(alone).sequence.patches[0]
            torch.testing.assert_close(features.slots().patches[row], encoded)
            assert features.order.indices[row].tolist() == kept
            torch.testing.assert_close(places.patches[row, kept], encoded)
    assert torch.equal(places.valid, keep)


def test_groups_and_log_probabilities_survive_the_masks(loaded, searching):
    model, progress = searching
    batch = prepared(loaded, 10)
    result = loaded.experiment.task.step(model, batch, progress)
    ((proposal,), reward) = result.passes[0].proposals, result.passes[0].reward
    assert proposal.order.indices.shape == (4, 16)
    assert proposal.order.groups.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    with torch.no_grad():
        features = model.ordered_by(proposal).eval().read(batch, batch.prepared["keep"])
    for row, group in enumerate(proposal.order.groups.tolist()):
        kept = [patch for patch in proposal.order.indices[group].tolist() if batch.prepared["keep"][row, patch]]
        assert features.order.indices[row].tolist() == kept
    # By hand: each order against the mean of the three others.
    means = [float(reward[proposal.order.groups == group].mean()) for group in range(4)]
    expected = sum(
        -(mean - (sum(means) - mean) / 3) * log_prob / 4
        for mean, log_prob in zip(means, proposal.log_prob, strict=True)
    )
    logits = model.policy.logits
    found, by_hand = (
        torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (model.policy.loss(result.passes), expected)
    )
    assert found.abs().max() > 0
    torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-7)
    model.train()


def test_the_policy_has_learned(finished, loaded):
    assert not torch.equal(loaded.model.policy.logits.sort(descending=True).values, -torch.arange(16.0))
    assert (finished.path / "orders" / "sampled-process-0.jsonl").exists()


def test_influence_counts_every_slot_whether_or_not_its_patch_was_hidden(finished, loaded):
    """The gradient with respect to row-major tokens, put into slots afterward."""
    batch, model = prepared(loaded, 100), loaded.model
    tokens = model.backbone.tokenize(batch.images)
    leaf = tokens.with_patches(tokens.patches.detach().requires_grad_())
    with patch.object(model.backbone, "tokenize", lambda images: leaf):
        loaded.experiment.task.step(model, batch, loaded.progress).loss.sum().backward()
    norms = leaf.patches.grad.norm(dim=2)
    assert (norms[~batch.prepared["keep"]] == 0).all()
    by_slot = norms.mean(dim=0)[model.policy.best_order().indices]
    np.testing.assert_allclose(finished.read_result().order.influence, by_slot / by_slot.sum(), rtol=1e-3)


def test_unlabeled_images_can_be_predicted(loaded):
    batch = prepared(loaded, 3)
    with torch.no_grad():
        by_step = loaded.experiment.task.step(loaded.model, batch, loaded.progress).outputs
        assert torch.equal(loaded.experiment.task.predict(loaded.model, batch), by_step)
