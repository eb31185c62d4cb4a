"""A policy with a head that sees targets: each of its steps, repeated with numpy."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from by_hand import as_input, digits
from capability_cases import outcome
from reorder_kit import hookimpl
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import CLASS, Batch, Grid, LearnerContext, Order, Pass, PatchSequence
from reorder_kit.runs.run_folder import RunFolder

COLUMN = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
LR, MEMORY, EPOCHS = 5.0, 0.9, 4


@dataclass
class Guessed:
    """A head and a slot for each patch, as they should be after some steps on all training images."""

    slots: np.ndarray
    weight: np.ndarray
    mean_loss: float = float("nan")

    def step(self, tokens, labels):
        guesses = np.einsum("bpd,pdc->bpc", tokens, self.weight)
        guesses -= guesses.max(axis=2, keepdims=True)
        shares = np.exp(guesses) / np.exp(guesses).sum(axis=2, keepdims=True)
        right = np.eye(10)[labels][:, None]
        losses = -np.log((shares * right).sum(axis=2)).mean(axis=0)
        baseline = losses.mean() if np.isnan(self.mean_loss) else self.mean_loss
        self.mean_loss = MEMORY * baseline + (1 - MEMORY) * losses.mean()
        self.weight = self.weight - LR * np.einsum("bpd,bpc->pdc", tokens, shares - right) / len(labels)
        self.slots = self.slots - LR * (losses - baseline)
        return self


def tokens_of(model):
    """For all training images; the weights of the model hardly move in these runs."""
    images, labels = digits("train")
    with torch.no_grad():
        return model.backbone.tokenize(as_input(images)).patches.double().numpy(), labels


def policy_weights(folder, epoch=None):
    checkpoint = folder.latest_checkpoint() if epoch is None else folder.checkpoints / f"epoch-{epoch}"
    return load_file(checkpoint / "policy.safetensors")


@pytest.fixture(scope="module")
def by_hand(capability, finished):
    """The policy after every epoch."""
    tokens, labels = tokens_of(capability.open(finished).model)
    policy = Guessed(np.argsort(COLUMN).astype(float), np.zeros((16, 16, 10)))
    states = [policy]
    for _ in range(EPOCHS):
        last = states[-1]
        states.append(Guessed(last.slots, last.weight, last.mean_loss).step(tokens, labels))
    return states


def test_its_head_learned_from_the_targets(finished, by_hand):
    weights = policy_weights(finished)
    assert weights["weight"] == pytest.approx(by_hand[-1].weight, abs=1e-3)
    assert weights["slots"] == pytest.approx(by_hand[-1].slots, abs=1e-3)
    assert weights["mean_loss"] == pytest.approx(by_hand[-1].mean_loss, abs=1e-4)
    assert by_hand[1].mean_loss == pytest.approx(np.log(10))  # a head that has not learned knows nothing


def test_the_order_of_every_epoch_follows_from_it(finished, by_hand):
    found = [json.loads(finished.epoch_order(epoch).read_text())["order"] for epoch in range(1, EPOCHS + 1)]
    assert found == [np.argsort(state.slots, kind="stable").tolist() for state in by_hand[1:]]
    assert found[0] == COLUMN  # all patches were equally informative: no change
    assert found[-1] != COLUMN
    order = finished.read_result().as_dict()["order"]
    assert (order["start"], order["final"]) == (COLUMN, found[-1])


def test_it_sees_shares_of_classes_where_images_are_mixed(capability):
    learner = capability.plugin.Guesses()
    policy = learner.build_policy(LearnerContext(Order.identity(3), Grid(1, 3), 2, 1, CLASS, ["a", "b"]))
    torch.nn.init.normal_(policy.weight, generator=torch.Generator().manual_seed(0))
    sequence = PatchSequence(torch.rand(4, 3, 2, generator=torch.Generator().manual_seed(1)), Grid(1, 3))
    passes = [Pass((policy.propose(sequence),), torch.zeros(4))]
    images, labels = torch.zeros(4, 1, 1, 3), torch.tensor([0, 1, 1, 0])
    plain = policy.loss(passes, Batch(images, labels, CLASS))
    policy.reset_baselines()
    mixed = policy.loss(passes, Batch(images, torch.eye(2)[labels], CLASS))
    assert torch.allclose(plain, mixed)


def test_the_task_does_not_learn_through_it(capability, finished):
    """Tokens reach the head without their graph."""
    run = capability.open(finished)
    output = run.model.train()(Batch(as_input(digits("train")[0][:3])))
    output.proposals[0].aux.sum().backward()
    assert all(parameter.grad is None for parameter in run.model.backbone.parameters())
    assert run.model.policy.weight.grad.abs().sum() > 0


def test_targets_of_another_kind_are_refused_before_data_is_loaded(capability):
    changes = {
        "data": {"name": "scenes", "batch_size": 8},
        "task": "multi-label",
        "backbone.patch_size": 8,
    }
    with pytest.raises(RecipeError, match="needs targets of the kind class, not multi-label"):
        capability.run("refused", changes)
    assert not (capability.out / "refused").exists()


# --- The same policy, learned further in another run. ---------------------------------------------------------------


def further(finished, **changes):
    """The part of a recipe that continues a run."""
    return {"order": {"weights": str(finished.path), "learner": {"name": "guesses", "lr": LR}}, "seed": 7, **changes}


class StopsAfterOne:
    @staticmethod
    @hookimpl
    def epoch_finished(epoch):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def continued(capability, finished):
    return capability.run("continued", further(finished, **{"train.epochs": 1}))


def test_it_starts_from_the_other_runs_final_order(finished, continued):
    final = finished.read_result().order.final
    assert json.loads(continued.start_order.read_text())["order"] == final
    assert continued.read_result().order.start == final


def test_it_goes_on_from_the_other_policy_with_a_new_baseline(capability, finished, continued, by_hand):
    tokens, labels = tokens_of(capability.open(continued).model)
    last = by_hand[-1]
    expected = Guessed(last.slots, last.weight).step(tokens, labels)
    weights = policy_weights(continued)
    assert weights["weight"] == pytest.approx(expected.weight, abs=1e-3)
    assert weights["slots"] == pytest.approx(expected.slots, abs=1e-3)
    assert weights["mean_loss"] == pytest.approx(expected.mean_loss, abs=1e-4)
    # Both would have been noticed.
    with_old_baseline = Guessed(last.slots, last.weight, last.mean_loss).step(tokens, labels)
    assert np.abs(with_old_baseline.slots - expected.slots).max() > 0.1
    assert abs(with_old_baseline.mean_loss - expected.mean_loss) > 0.01


def test_backbone_and_head_are_new_ones(capability, finished, continued):
    first, second = (capability.open(folder).model.head.linear.weight for folder in (finished, continued))
    assert not torch.allclose(first, second)


def test_a_continued_run_is_read_and_resumed_without_the_other(capability, finished, continued):
    shutil.copytree(finished.path, capability.out / "copy")
    changes = further(RunFolder(capability.out / "copy"), **{"train.epochs": 2})
    with pytest.raises(KeyboardInterrupt):
        capability.run("resumed", changes, plugins=(StopsAfterOne,))
    shutil.rmtree(capability.out / "copy")
    resumed = capability.run("resumed", changes, resume=True)
    whole = capability.run("whole", further(finished, **{"train.epochs": 2}))
    assert outcome(resumed) == outcome(whole)
    assert capability.open(resumed).model.policy.best_order().indices.tolist() == whole.read_result().order.final


def test_the_running_mean_of_reinforce_is_reset_and_its_logits_are_kept(capability):
    learner = {"name": "reinforce", "baseline": "ema", "warmup_epochs": 0, "search_epochs": 2, "groups": 4}
    changes = {"data.batch_size": 300, "train.epochs": 2, "order": {"start": "column", "learner": learner}}
    first = capability.run("reinforce", changes)
    saved = policy_weights(first)
    assert np.isfinite(saved["reward_mean"]).all()
    recipe = {**capability.recipe, "order": {"weights": str(first.path), "learner": learner}}
    experiment = compose(recipe, capability.host(), "second")
    policy = build_model(experiment, capability.open(first).context, Order(COLUMN)).policy
    assert policy.reward_mean.isnan().all()
    assert torch.equal(policy.logits.detach(), torch.tensor(saved["logits"]))
    assert policy.best_order().indices.tolist() == first.read_result().order.final


def test_a_start_beside_it_is_refused(capability, finished):
    order = {**further(finished)["order"], "start": "row"}
    with pytest.raises(RecipeError, match="starts from the best order of that run"):
        capability.run("refused", {"order": order})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"order.learner": {"name": "softsort"}}, "the learner of that run is guesses, not softsort"),
        ({"backbone.patch_size": 4}, "has a 4x4 grid of patches, but this run has 2x2"),
        ({"backbone.dim": 8}, "the policy belongs to another learner or grid"),
        ({"order.learner": None}, "no learner to continue the policy"),
        ({"order.weights": "nowhere"}, "nowhere"),
    ],
)
def test_a_policy_of_another_kind_is_refused(capability, finished, changes, reason):
    with pytest.raises(ReorderKitError, match=reason) as caught:
        capability.run("refused", {**further(finished), **changes})
    assert caught.value.exit_code == 2
    assert not (capability.out / "refused").exists()
