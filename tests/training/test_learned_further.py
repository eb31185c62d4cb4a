"""`order.weights`: a policy that continues from what it learned in another run."""

from __future__ import annotations

import json

import pytest
import torch

import reorder_kit
from learner_cases import LEARNERS
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.tensor_file import load_tensors
from reorder_kit.recipe.overrides import override
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with

HOST = host_with()
RECIPE = {
    "format_version": 1,
    "name": "first",
    "data": {"name": "digits", "batch_size": 200},
    "backbone": {"name": "local", "patch_size": 4, "window": 1, "dim": 8, "heads": 2, "depth": 1},
    "train": {"steps": 4, "device": "cpu"},
}
EAGER = {
    "evolution": {"candidates": 4, "parents": 2},
    "random-search": {"candidates": 4},
    "reinforce": {"lr": 1.0, "baseline": "ema"},
    "straight-through": {"lr": 1.0},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run of a learner, trained once."""
    home, found = tmp_path_factory.mktemp("first"), {}

    def run(name):
        if name not in found:
            learner = {"name": name, **EAGER.get(name, {})}
            train(home / name, order={"start": "column", "learner": learner})
            found[name] = RunFolder(home / name)
        return found[name]

    return run


def train(out, **changes):
    reorder_kit.run({**RECIPE, **changes}, out=out, host=HOST)
    return RunFolder(out)


def further(first, name, **options):
    return {"weights": str(first.path), "learner": {"name": name, **EAGER.get(name, {}), **options}}


def policy(folder):
    return load_tensors(folder.latest_checkpoint() / "policy.safetensors")


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_every_learner_starts_from_the_order_it_ended_with(name, runs, tmp_path):
    """A warm-up that lasts to the end keeps the start."""
    first = runs(name)
    second = train(tmp_path / "second", order=further(first, name, warmup_epochs=5.0), seed=9)
    final = first.read_result().order.final
    result = second.read_result().as_dict()["order"]
    assert result["start"] == result["final"] == final
    assert json.loads(second.epoch_order(1).read_text())["order"] == final
    before, after = policy(first), policy(second)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before if key != "reward_mean")


@pytest.mark.parametrize(("name", "other"), [("softsort", "neuralsort"), ("softsort", "straight-through")])
def test_a_policy_of_the_same_shape_of_another_learner_is_refused(name, other, runs, tmp_path):
    with pytest.raises(ReorderKitError, match=f"the learner of that run is {name}, not {other}"):
        train(tmp_path / "second", order=further(runs(name), other))
    assert not (tmp_path / "second").exists()


def test_a_run_without_a_learner_has_nothing_to_learn_further(tmp_path):
    first = train(tmp_path / "first")
    with pytest.raises(ReorderKitError, match="the learner of that run is none, not softsort"):
        train(tmp_path / "second", order=further(first, "softsort"))


@pytest.mark.slow
def test_controls_in_orders_of_their_own_take_nothing_from_it(runs, tmp_path):
    controls = ["fixed-start", "random-fixed", "random-per-batch", "null-reward", "learned-static"]
    second = train(tmp_path / "second", order=further(runs("reinforce"), "reinforce"), controls=controls)
    result = second.read_result().as_dict()
    assert result["controls"].keys() == set(controls)
    started = {
        name: json.loads(RunFolder(second.controls / name).start_order.read_text())["order"] for name in controls
    }
    assert started["fixed-start"] == started["null-reward"] == runs("reinforce").read_result().order.final
    assert started["learned-static"] == result["order"]["final"]


def test_it_is_the_same_run_again_where_it_is_resumed(runs, tmp_path):
    content = override({**RECIPE, "order": further(runs("softsort"), "softsort")}, [("name", "further")])
    reorder_kit.run(content, out=tmp_path / "second", host=HOST)
    reorder_kit.run(content, out=tmp_path / "second", host=HOST, resume=True)
    assert RunFolder(tmp_path / "second").is_finished
