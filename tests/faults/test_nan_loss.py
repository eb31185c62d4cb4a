import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.tasks.classification import Classification
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment

STEPS_PER_EPOCH = 30  # 1,200 images by 40: the loss is checked after 20 steps and at the end


class Breaking(Classification):
    """Classification whose loss is NaN at some steps of training, until it is repaired."""

    name = "breaking"
    bad_steps = frozenset()

    def step(self, model, batch, progress):
        result = super().step(model, batch, progress)
        if model.training and progress.step in self.bad_steps:
            result.loss[0] = math.nan
        return result


class BreakingPlugin:
    @hookimpl
    def register_tasks(self):
        return [Breaking]


@pytest.fixture
def host():
    return host_with(BreakingPlugin())


def recipe(**sections):
    return {
        "format_version": 1,
        "name": "breaking",
        "data": {"name": "digits", "batch_size": 40},
        "task": "breaking",
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
        "train": {"epochs": 3, "device": "cpu"},
        **sections,
    }


def all_finite(checkpoint):
    files = list(checkpoint.glob("*.safetensors"))
    return files and all(torch.isfinite(tensor).all() for file in files for tensor in load_file(file).values())


# Counted from 0: the first step of the second epoch, one in its middle, its last but one and its last.
@pytest.mark.parametrize("bad", [30, 45, 58, 59])
def test_the_step_and_the_last_good_checkpoint_are_named_and_the_run_can_go_on(bad, host, tmp_path, monkeypatch):
    monkeypatch.setattr(Breaking, "bad_steps", frozenset({bad, 59}))
    with pytest.raises(ReorderKitError, match=rf"became NaN or infinite at step {bad + 1} \(epoch 2\)") as error:
        reorder_kit.run(recipe(), out=tmp_path / "run", host=host)
    folder = RunFolder(tmp_path / "run")
    checkpoint = folder.latest_checkpoint()
    assert checkpoint.name == "epoch-000001"
    assert str(checkpoint) in error.value.message
    assert all_finite(checkpoint)
    assert not folder.is_finished

    monkeypatch.setattr(Breaking, "bad_steps", frozenset())
    result = reorder_kit.run(recipe(), out=tmp_path / "run", resume=True, host=host).as_dict()
    assert math.isfinite(result["metrics"]["test"]["loss"])
    assert [json.loads(line)["epoch"] for line in folder.metrics.read_text().splitlines()] == [1, 2, 3]


def test_it_is_said_that_there_is_no_checkpoint_yet(host, tmp_path, monkeypatch):
    monkeypatch.setattr(Breaking, "bad_steps", frozenset({0}))
    with pytest.raises(ReorderKitError, match=r"at step 1 \(epoch 1\); there is no checkpoint yet"):
        reorder_kit.run(recipe(), out=tmp_path / "run", host=host)


def run_with_lr(content, lr, host, out):
    """A run whose step size exceeds the bounds of recipes; a plugin's own schedule can reach it."""
    experiment = compose(content, host, "breaking")
    optimizer = experiment.recipe.optimizer.model_copy(update={"lr": lr})
    changed = experiment.recipe.model_copy(update={"optimizer": optimizer})
    return run_experiment(replace(experiment, recipe=changed), host, out)


def test_an_absurd_step_size_is_caught(host, tmp_path):
    with pytest.raises(ReorderKitError, match="became NaN or infinite") as error:
        run_with_lr(recipe(), 1e30, host, tmp_path / "run")
    assert "optimizer.lr" in error.value.hint
    assert RunFolder(tmp_path / "run").latest_checkpoint() is None


@pytest.mark.parametrize("lr", [1e30, 1e15])
def test_weights_that_the_last_step_of_an_epoch_has_spoilt_are_not_kept(lr, host, tmp_path):
    one_step = recipe(data={"name": "digits", "batch_size": 1200}, schedule={"shape": "constant"})
    with pytest.raises(ReorderKitError, match=r"weights became NaN or infinite|validation loss is NaN or infinite"):
        run_with_lr(one_step, lr, host, tmp_path / "run")
    checkpoint = RunFolder(tmp_path / "run").latest_checkpoint()
    assert checkpoint is None or all_finite(checkpoint)


@pytest.mark.parametrize("batch_size", [40, 1200])
def test_a_policy_that_has_lost_its_numbers_is_caught_though_every_loss_is_fine(batch_size, host, tmp_path):
    learner = {
        "name": "reinforce",
        "warmup_epochs": 0,
        "search_epochs": 3,
        "optimizer": "sgd",
        "baseline": "none",
        "temperature": {"shape": "constant", "peak": 0.05},
    }
    chosen = recipe(data={"name": "digits", "batch_size": batch_size}, order={"learner": learner})
    experiment = compose(chosen, host, "breaking")
    experiment.learner.options = experiment.learner.options.model_copy(update={"lr": 1e38})
    with pytest.raises(ReorderKitError, match="became NaN or infinite"):
        run_experiment(experiment, host, tmp_path / "run")
    assert RunFolder(tmp_path / "run").latest_checkpoint() is None
