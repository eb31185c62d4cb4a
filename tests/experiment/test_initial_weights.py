"""`train.weights`: a run that begins with the weights of another."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

import reorder_kit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import no_influence
from reorder_kit.interfaces import TaskContext
from reorder_kit.recipe.overrides import override
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment

HOST = host_with()
RECIPE = {
    "format_version": 1,
    "name": "first",
    "data": {"name": "digits", "batch_size": 600},
    "backbone": {"name": "local", "patch_size": 4, "window": 1, "dim": 8, "heads": 2, "depth": 1},
    "train": {"epochs": 1, "device": "cpu"},
}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "run"
    reorder_kit.run(RECIPE, out=folder, host=HOST)
    return folder


def build(first, changes=()):
    experiment = compose(override(RECIPE, [("seed", 5), ("train.weights", str(first)), *changes]), HOST, "second")
    splits = experiment.open_data()
    facts = experiment.facts(splits.image)
    context = TaskContext(facts, splits.image, experiment.kind, splits.classes)
    return build_model(experiment, context, experiment.starting_order(facts.grid, splits, no_influence))


def weights(model):
    return {**model.backbone.state_dict(prefix="backbone."), **model.head.state_dict(prefix="head.")}


def test_it_begins_with_them_whatever_its_seed_and_order(first):
    expected = weights(reorder_kit.load_run(first, HOST).model)
    built = build(first, [("order.start", "column")])
    assert weights(built).keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in weights(built).items())
    assert built.policy.best_order().indices.tolist() == [0, 2, 1, 3]


def test_averaged_weights_are_taken_where_a_run_is_judged_by_them(tmp_path):
    reorder_kit.run(override(RECIPE, [("train.ema_decay", 0.9)]), out=tmp_path / "averaged", host=HOST)
    expected = weights(reorder_kit.load_run(tmp_path / "averaged", HOST).model)
    assert all(torch.equal(value, expected[name]) for name, value in weights(build(tmp_path / "averaged")).items())


def test_a_run_trains_them_on_and_can_be_read_without_the_first(first, tmp_path):
    shutil.copytree(first, tmp_path / "first")
    content = override(RECIPE, [("train.weights", str(tmp_path / "first")), ("optimizer.lr", 1e-9)])
    folder, result = run_experiment(compose(content, HOST, "second"), HOST, tmp_path / "second")
    before = json.loads((first / "result.json").read_text())
    assert result.metrics.test.loss == pytest.approx(before["metrics"]["test"]["loss"], abs=1e-4)
    shutil.rmtree(tmp_path / "first")
    expected = weights(reorder_kit.load_run(first, HOST).model)
    read = weights(reorder_kit.load_run(folder.path, HOST).model)
    assert all(torch.allclose(value, expected[name], atol=1e-5) for name, value in read.items())


def test_what_cannot_be_begun_with_is_refused(first, tmp_path):
    with pytest.raises(
        ReorderKitError, match=r"the weights belong to another model: size mismatch for .*\[16, 1, 4, 4\]"
    ):
        build(first, [("backbone.dim", 16)])
    with pytest.raises(ReorderKitError, match="nowhere does not hold a finished run"):
        build(tmp_path / "nowhere")
