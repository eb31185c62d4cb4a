"""Two views and InfoNCE, against plain loops, and on two processes against one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from capability_cases import prepared
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import Order
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.recipe.overrides import override
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.step_module import StepModule

CHANGES = {"train.clip_grad": None, "optimizer.weight_decay": 0.0}


@pytest.fixture(scope="module")
def loaded(capability, finished):
    return capability.open(finished)


def info_nce(queries, keys, temperature):
    """In plain loops."""
    losses = []
    for row, query in enumerate(queries):
        similar = [sum(a * b for a, b in zip(query, key, strict=True)) / temperature for key in keys]
        losses.append(np.log(sum(np.exp(value) for value in similar)) - similar[row])
    return np.array(losses)


def test_the_loss_is_that_of_plain_loops(loaded):
    batch, task = prepared(loaded, 12), loaded.experiment.task
    with torch.no_grad():
        result = task.step(loaded.model, batch, loaded.progress)
        first, second = (loaded.model(view).outputs.double().numpy() for view in (batch, batch.views[0]))
    to_view, to_image = info_nce(first, second, 0.2), info_nce(second, first, 0.2)
    np.testing.assert_allclose(result.loss, (to_view + to_image) / 2, rtol=1e-5)
    np.testing.assert_allclose(result.passes[0].reward, -to_view, rtol=1e-5)
    np.testing.assert_allclose(result.passes[1].reward, -to_image, rtol=1e-5)
    assert [each.view for each in result.passes] == [0, 1]
    np.testing.assert_allclose(result.reward, -(to_view + to_image) / 2, rtol=1e-5)


def test_retrieval_counts_whose_view_is_nearest(loaded, finished):
    task, samples = loaded.experiment.task, loaded.experiment.open_data().test
    hits = []
    for batch in evaluation_loader(samples, loaded.context.kind, "test", 32, 0, views=1):
        with torch.no_grad():
            first, second = (loaded.model(view).outputs.numpy() for view in (batch, batch.views[0]))
        hits += [int(np.argmax([a @ b for b in second])) == row for row, a in enumerate(first)]
    assert finished.read_result().metrics.test["retrieval"] == pytest.approx(np.mean(hits))
    assert np.load(finished.test_scores).tolist() == hits
    assert task.predict(loaded.model, batch).shape == (len(batch), 2, 8)


def test_a_view_is_the_same_image_with_noise_of_its_own_and_the_same_in_every_evaluation(loaded):
    batch, again = prepared(loaded, 12), prepared(loaded, 20)
    images = loaded.experiment.open_data().validation.images[:12]
    assert torch.equal(batch.images, images)
    noise = batch.views[0].images - images
    assert 0.25 < noise.std() < 0.35
    assert not torch.equal(noise[0], noise[1])
    assert torch.equal(batch.views[0].images, again.views[0].images[:12])
    assert not (batch.seeds == batch.views[0].seeds).any()
    training = prepared(loaded, 4, "train")  # both views are noisy
    assert not torch.equal(training.images, training.views[0].images)


def test_both_views_are_read_in_orders_of_the_policy_and_rewards_stay_apart(capability, loaded):
    temperature = {"shape": "constant", "peak": 1.0}
    learner = {"name": "reinforce", "repeats": 3, "groups": 2, "temperature": temperature}
    experiment = compose(override(capability.recipe, {"order.learner": learner}.items()), capability.host(), "trial")
    policy = experiment.build_policy(Order.identity(16), loaded.model.facts, [])
    model = type(loaded.model)(loaded.model.backbone, policy, loaded.model.head).train()
    progress = replace(loaded.progress, phase="search", share=0.5, stream=1)
    policy.advance(progress)
    result = StepModule(model, experiment.task)(prepared(loaded, 8, "train"), progress)
    assert [each.view for each in result.passes] == [0, 1] * 3
    assert len({each.proposals[0].log_prob for each in result.passes}) == 6
    # By hand: leave-one-out over the 6 orders of a view, each of which two groups of 4 images had; mean over the views.
    expected = 0.0
    for view in range(2):
        rewards, log_probs = [], []
        for each in result.passes[view::2]:
            (proposal,) = each.proposals
            assert proposal.order.groups.tolist() == [0, 1] * 4
            rewards += [float(each.reward[group::2].mean()) for group in range(2)]
            log_probs += list(proposal.log_prob)
        for sample, reward in enumerate(rewards):
            others = sum(rewards[:sample] + rewards[sample + 1 :]) / 5
            expected = expected - (reward - others) * log_probs[sample] / 6 / 2
    gradients = [
        torch.autograd.grad(loss, policy.logits, retain_graph=True)[0]
        for loss in (policy.loss(result.passes), expected)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)


def test_influence_does_not_apply_since_a_step_reads_twice(finished):
    order = finished.read_result().as_dict()["order"]
    assert order["influence"] is None
    assert "a step of contrastive reads its batch 2 times" in order["influence_does_not_apply"]


def test_an_order_can_be_given(loaded):
    batch, task, order = prepared(loaded, 6), loaded.experiment.task, Order(torch.arange(15, -1, -1))
    with torch.no_grad():
        given = task.step(loaded.model.ordered_by(order), batch, loaded.progress)
        by_policy = task.step(loaded.model.ordered_by(FixedOrder(order)), batch, loaded.progress)
    assert torch.equal(given.loss, by_policy.loss)
    assert all(each.proposals[0].order == order for each in given.passes)


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_same_batches(children, tmp_path):
    pair = {**CHANGES, "data.batch_size": 16}
    children.finish(*children.start_group("train", "contrastive", str(tmp_path / "pair"), pair))
    children.finish(children.start("train", "contrastive", str(tmp_path / "one"), CHANGES))
    first, second, one = (
        load_file(tmp_path / f"{name}.safetensors") for name in ("pair-process-0", "pair-process-1", "one-process-0")
    )
    assert len(one["losses"]) == 9
    for name in ("gradients", "weights"):
        assert torch.equal(first[name], second[name])
    assert not torch.equal(first["losses"], second["losses"])
    torch.testing.assert_close((first["losses"] + second["losses"]) / 2, one["losses"], rtol=1e-4, atol=0)
    torch.testing.assert_close(first["gradients"], one["gradients"], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(first["weights"], one["weights"], rtol=1e-3, atol=1e-4)
    results = [RunFolder(tmp_path / name).read_result().as_dict()["metrics"] for name in ("pair", "one")]
    for split in ("validation", "test"):
        figures, expected = (result[split] for result in results)
        assert figures["retrieval"] == expected["retrieval"]
        assert figures["loss"] == pytest.approx(expected["loss"], rel=1e-4)
        assert figures["images"] == expected["images"]
