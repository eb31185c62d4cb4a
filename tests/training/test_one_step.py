"""Only a task's step computes a loss: in training, evaluation and analysis."""

import json

import pytest
import torch

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.analysis.saliency import follow_saliency
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.interfaces import StepResult
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.tasks.classification import Classification
from reorder_kit.testing import host_with
from reorder_kit.transfer.runs import OrderTrial


class Seven(Classification):
    """Classification whose loss is always 7."""

    name = "seven"

    def step(self, model, batch, progress):
        result = super().step(model, batch, progress)
        return StepResult(torch.full_like(result.loss, 7.0) + 0 * result.loss, result.outputs, result.passes)


class Halved(Classification):
    """Classification that reports its loss in two halves."""

    name = "halved"

    def step(self, model, batch, progress):
        result = super().step(model, batch, progress)
        halves = {"left": result.loss / 2, "right": result.loss / 2}
        return StepResult(result.loss, result.outputs, result.passes, halves)


class Twice(Classification):
    """Classification that reads every batch twice."""

    name = "twice"

    def step(self, model, batch, progress):
        first, second = super().step(model, batch, progress), super().step(model, batch, progress)
        return StepResult((first.loss + second.loss) / 2, first.outputs, first.passes + second.passes)


class Plugin:
    @hookimpl
    def register_tasks(self):
        return [Seven, Halved, Twice]


@pytest.fixture(scope="module")
def host():
    return host_with(Plugin())


@pytest.fixture(scope="module")
def train(host, tmp_path_factory):
    def run(task, **sections):
        recipe = {
            "format_version": 1,
            "name": task,
            "data": {"name": "digits", "batch_size": 400},
            "task": task,
            "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2, "depth": 1},
            "train": {"epochs": 1, "device": "cpu"},
            **sections,
        }
        out = tmp_path_factory.mktemp("runs") / task
        reorder_kit.run(recipe, out=out, host=host)
        return RunFolder(out)

    return run


def line_of(folder):
    return json.loads(folder.metrics.read_text())


def test_the_loss_of_a_step_is_that_of_training_and_of_every_evaluation(train):
    folder = train("seven")
    result = folder.read_result().as_dict()
    assert line_of(folder)["train"]["loss"] == 7.0
    assert line_of(folder)["validation"]["loss"] == 7.0
    assert result["metrics"]["test"]["loss"] == 7.0


def test_a_loss_that_no_image_changes_gives_no_slot_influence_and_no_patch_saliency(train, host):
    folder = train("seven")
    assert folder.read_result().order.influence == [0.0] * 4
    with pytest.raises(reorder_kit.errors.ReorderKitError, match="a patch that makes a difference"):
        follow_saliency(LoadedRun.open(folder.path, host), "occlusion", "test", 8)


def test_parts_of_the_loss_are_averaged_over_images_and_logged(train):
    line = line_of(train("halved"))
    for figures in (line["train"], line["validation"]):
        assert figures["parts"]["left"] == pytest.approx(figures["loss"] / 2)
        assert figures["parts"] == {"left": figures["parts"]["left"], "right": figures["parts"]["left"]}


def test_a_step_that_reads_twice_says_that_influence_and_saliency_do_not_apply(train, host):
    folder = train("twice")
    order = folder.read_result().as_dict()["order"]
    assert order["influence"] is None
    assert "reads its batch 2 times" in order["influence_does_not_apply"]
    with pytest.raises(reorder_kit.errors.ReorderKitError, match="reads its batch 2 times"):
        follow_saliency(LoadedRun.open(folder.path, host), "gradient", "test", 8)


def test_an_order_that_is_tried_on_a_trained_model_is_tried_by_the_step(train, host):
    folder = train("seven")
    trial = OrderTrial("trial", folder.path, {"start": folder.start_order})
    score = trial.train(host)["start"]
    assert score == pytest.approx(folder.read_result().metrics.test["top1"])


def test_steps_make_a_run_as_long_as_they_say(train):
    folder = train("seven", train={"steps": 4, "device": "cpu"})  # 1,200 images in batches of 400: 3 steps per epoch
    epochs = [json.loads(line)["epoch"] for line in folder.metrics.read_text().splitlines()]
    assert epochs == [1, 2]
    facts = json.loads((folder.latest_checkpoint() / "state.json").read_text())
    assert (facts["step"], facts["steps_per_epoch"]) == (4, 3)


class NamedLoss(Classification):
    """Classification with a part of its loss that is also named loss."""

    name = "named-loss"

    def step(self, model, batch, progress):
        result = super().step(model, batch, progress)
        return StepResult(result.loss, result.outputs, result.passes, {"loss": 3 + 0 * result.loss})


class Scalar(Classification):
    """Classification that forgets to keep per-image losses."""

    name = "scalar"

    def step(self, model, batch, progress):
        result = super().step(model, batch, progress)
        return StepResult(result.loss.mean(), result.outputs, result.passes)


class MorePlugin:
    @hookimpl
    def register_tasks(self):
        return [NamedLoss, Scalar]


@pytest.fixture(scope="module", autouse=True)
def more_tasks(host):
    host.add(MorePlugin(), "more-tasks")


def test_a_part_may_have_any_name(train):
    figures = line_of(train("named-loss"))["validation"]
    assert figures["parts"] == {"loss": 3.0}
    assert figures["loss"] < 3.0


def test_a_step_without_a_loss_for_each_image_is_refused(train):
    with pytest.raises(reorder_kit.errors.ReorderKitError, match=r"a loss of shape \(\)"):
        train("scalar")


def test_frozen_parts_stay_in_evaluation_mode_after_a_search(train, host):
    first = train("halved")
    seen = []

    class Looking(Classification):
        """Classification that records the mode of the backbone in training."""

        name = "looking"

        def step(self, model, batch, progress):
            if torch.is_grad_enabled() and model.head.training:
                seen.append(model.backbone.training)
            return super().step(model, batch, progress)

    class LookingPlugin:
        @hookimpl
        def register_tasks(self):
            return [Looking]

    host.add(LookingPlugin(), "looking")
    weights = {"run": str(first.path), "parts": ["backbone"], "freeze": ["backbone"]}
    learner = {"name": "random-search", "warmup_epochs": 0, "search_epochs": 1, "explore_share": 0, "candidates": 2}
    folder = train("looking", order={"learner": learner}, train={"epochs": 1, "device": "cpu", "weights": weights})
    assert seen
    assert not any(seen)
    kept, own = (LoadedRun.open(each.path, host).model.backbone.state_dict() for each in (first, folder))
    assert all(torch.equal(kept[name], own[name]) for name in kept)
