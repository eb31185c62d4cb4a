"""`run --extend`: a finished run continues training in a new folder."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
import torch
import yaml

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.doubts import doubts
from reorder_kit.experiment.extension import controls_left_out, extended_recipe, extended_run
from reorder_kit.interfaces import OrderLearner, Tracker
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.order_learners._phases import PhasedLearner, PhaseOptions
from reorder_kit.orders.tensor_file import load_tensors
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment


class Diary(Tracker):
    """Records the runs it receives."""

    name = "diary"
    told: ClassVar[list[str]] = []

    def start(self, run):
        self.told.append(run.name)

    def log(self, epoch, figures):
        pass

    def finish(self, status, summary):
        pass


HOST = host_with(Diary)
RECIPE = {
    "format_version": 1,
    "name": "first",
    "data": {"name": "digits", "batch_size": 400},
    "backbone": {"name": "local", "patch_size": 4, "window": 1, "dim": 8, "heads": 2, "depth": 1},
    "order": {"start": "column", "learner": {"name": "softsort", "warmup_epochs": 0, "search_epochs": 1, "lr": 5.0}},
    "controls": ["fixed-start"],
    "schedule": {"warmup_epochs": 1, "hold_epochs": "20%"},
    "train": {"epochs": 2, "device": "cpu"},
    "trackers": [{"name": "diary", "files": "none"}],
}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    out = tmp_path_factory.mktemp("first") / "run"
    reorder_kit.run(RECIPE, out=out, host=HOST)
    return RunFolder(out)


def extend(folder, out, epochs=1, resume=False, host=HOST):
    experiment = compose(extended_recipe(folder, epochs, HOST), HOST, "first")
    return run_experiment(experiment, host, out, resume, folder)[0]


def files(folder):
    return {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def test_it_begins_with_the_final_weights_in_the_final_order_and_touches_nothing(first, tmp_path):
    before = files(first)
    Diary.told.clear()
    later = extend(first, tmp_path / "later")
    assert files(first) == before
    assert Diary.told == ["first-extended"]
    assert extended_run(later) == str(first.path)
    assert extended_run(RunFolder(first.controls / "fixed-start")) is None
    assert later.read_start() == first.read_order().order
    assert later.read_order().order == first.read_order().order
    recipe = yaml.safe_load(later.recipe.read_text())
    assert (recipe["name"], recipe["train"]["epochs"], recipe["controls"]) == ("first-extended", 1, [])
    assert recipe["train"]["weights"]["run"] == str(first.path)
    assert (recipe["schedule"]["warmup_epochs"], recipe["schedule"]["hold_epochs"]) == (0.5, "20%")
    assert recipe["order"]["learner"] is None
    assert len(later.read_epochs()) == 1


def test_with_a_step_size_of_next_to_nothing_the_weights_stay(first, tmp_path):
    content = extended_recipe(first, 1, HOST)
    content["optimizer"] |= {"lr": 1e-30, "weight_decay": 0.0}
    later = run_experiment(compose(content, HOST, "first"), HOST, tmp_path / "later", False, first)[0]
    weights = [load_tensors(run.latest_checkpoint() / "model.safetensors") for run in (first, later)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value)
    assert later.read_result().score == first.read_result().score


def test_it_has_the_images_of_the_run_though_there_are_others_by_now(first, tmp_path):
    later = extend(first, tmp_path / "later")
    assert json.loads(later.data.read_text())["images"] == json.loads(first.data.read_text())["images"]


def test_its_controls_are_named_with_what_extends_them(first):
    words = controls_left_out(first, 5)
    assert f"reorder-kit run {first.controls / 'fixed-start'} --extend 5" in words
    control = RunFolder(first.controls / "fixed-start")
    assert controls_left_out(control, 5) is None
    content = extended_recipe(control, 5, HOST)
    assert content["name"] == "first-fixed-start-extended"
    assert content["order"]["start"] == {"file": str(control.path / "orders" / "start.json")}


def test_an_extension_is_extended_under_the_same_name(first, tmp_path):
    later = extend(first, tmp_path / "later")
    assert extended_recipe(later, 1, HOST)["name"] == "first-extended"


def test_a_stopped_extension_resumes_bit_for_bit(first, tmp_path):
    class Stop:
        @hookimpl
        def epoch_finished(self, run, epoch, record):
            if epoch == 1:
                raise KeyboardInterrupt

    host = host_with(Diary)
    host.add(Stop(), "stop")
    whole = extend(first, tmp_path / "whole", epochs=2)
    with pytest.raises(KeyboardInterrupt):
        extend(first, tmp_path / "stopped", epochs=2, host=host)
    stopped = extend(first, tmp_path / "stopped", epochs=2, resume=True)
    weights = [load_tensors(run.latest_checkpoint() / "model.safetensors") for run in (whole, stopped)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_that_is_not_finished_is_refused(tmp_path):
    with pytest.raises(ReorderKitError, match="does not hold a finished run"):
        extended_recipe(RunFolder(tmp_path), 1, HOST)


class OfImages(PhasedLearner):
    """The start for each image, from a policy that could give each its own order."""

    name = "of-images"
    uses_reward = False

    class Options(PhaseOptions):
        """Only phases."""

    def build_policy(self, context):
        return OfImagesPolicy(context.start)


class OfImagesPolicy(FixedOrder):
    is_static = False


class Unstoppable(OrderLearner):
    """The same, without phases."""

    name = "unstoppable"
    uses_reward = False

    def build_policy(self, context):
        return OfImagesPolicy(context.start)


@pytest.mark.parametrize("learner", [OfImages, Unstoppable])
def test_where_each_image_has_an_order_the_policy_is_kept_or_the_run_refused(learner, tmp_path):
    host = host_with(learner, Diary)
    reorder_kit.run({**RECIPE, "order": {"learner": learner.name}, "controls": []}, out=tmp_path / "run", host=host)
    folder = RunFolder(tmp_path / "run")
    if learner is Unstoppable:
        with pytest.raises(ReorderKitError, match="unstoppable does not give a single order"):
            extended_recipe(folder, 1, host)
        return
    content = extended_recipe(folder, 3, host)
    assert content["order"]["weights"] == str(folder.path)
    experiment = compose(content, host, "x")
    assert experiment.phases(3).bounds(10) == (0, 0)
    assert [doubt for doubt in doubts(experiment) if "searched" in doubt] == []
