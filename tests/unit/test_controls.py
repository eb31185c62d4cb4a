"""What a control replaces, in a run of its own and beside another."""

from __future__ import annotations

import pytest

from policies import context_of
from reorder_kit.compose import compose, control_content
from reorder_kit.data_sources.digits import Digits
from reorder_kit.errors import RecipeError
from reorder_kit.fixed_policies import FixedOrder, RandomPerBatch
from reorder_kit.grid import Grid
from reorder_kit.order_file import OrderFile
from reorder_kit.order_learners.reinforce import ReinforcePolicy
from reorder_kit.patch_order import Order
from reorder_kit.plugin_manager import PluginHost

CONTROLS = ("fixed-start", "learned-static", "null-reward", "random-fixed", "random-per-batch", "shuffled-targets")
HOST = PluginHost(third_party=False)
SPLITS = Digits().open(0)


def recipe(**sections):
    backbone = {"name": "local", "patch_size": 2}
    return {"format_version": 1, "name": "trial", "data": "digits", "backbone": backbone, **sections}


def test_a_random_start_depends_on_the_seed_and_on_nothing_else():
    def start(seed, first):
        order = {"start": first, "control": "random-fixed"}
        return compose(recipe(seed=seed, order=order), HOST, "trial").starting_order(Grid(4, 4), SPLITS)

    assert start(0, "row") == start(0, "hilbert")
    assert start(0, "row") != start(1, "row")
    assert start(0, "row") != Order.identity(16)


def test_each_control_gets_its_policy():
    def policy(order):
        return compose(recipe(order=order), HOST, "trial").build_policy(context_of(Order.identity(4)))

    assert isinstance(policy({"learner": "reinforce"}), ReinforcePolicy)
    assert isinstance(policy({"learner": "reinforce", "control": "null-reward"}), ReinforcePolicy)
    assert isinstance(policy({"control": "random-per-batch"}), RandomPerBatch)
    assert isinstance(policy({"learner": "reinforce", "control": "random-per-batch"}), RandomPerBatch)
    assert type(policy({})) is FixedOrder
    assert type(policy({"learner": "reinforce", "control": "random-fixed"})) is FixedOrder


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("fixed-start", ("column", False, "none")),
        ("learned-static", ("custom", False, "none")),
        ("null-reward", ("column", True, "null-reward")),
        ("random-fixed", ("column", False, "random-fixed")),
        ("random-per-batch", ("column", False, "random-per-batch")),
        ("shuffled-targets", ("column", True, "none")),
    ],
)
def test_a_control_changes_one_thing(control, expected):
    content = compose(
        recipe(order={"start": "column", "learner": "reinforce"}, controls=CONTROLS), HOST, "t"
    ).resolved()
    beside = compose(control_content(content, control, "runs/trial/order.json"), HOST, "control").resolved()
    order = beside["order"]
    assert (order["start"]["name"], order["learner"] is not None, order["control"]) == expected
    assert order["start"].get("file") == ("runs/trial/order.json" if control == "learned-static" else None)
    assert beside["controls"] == []
    assert beside["data"].pop("shuffle_targets") == (control == "shuffled-targets")
    assert not content["data"].pop("shuffle_targets")
    assert {key: beside[key] for key in beside if key not in ("order", "controls")} == {
        key: content[key] for key in content if key not in ("order", "controls")
    }


@pytest.mark.parametrize("own", ["null-reward", "random-fixed", "random-per-batch"])
def test_a_run_that_is_a_control_has_none_beside_it(own):
    content = recipe(order={"learner": "reinforce", "control": own}, controls=["fixed-start"])
    with pytest.raises(RecipeError, match="a run that is a control itself has none beside it"):
        compose(content, HOST, "trial")


def test_learned_static_starts_from_the_learned_order(tmp_path):
    learned = Order([2, 0, 3, 1])
    OrderFile("learned", Grid(2, 2), learned).save(tmp_path / "order.json")
    content = compose(recipe(order={"start": "column", "learner": "reinforce"}), HOST, "trial").resolved()
    beside = compose(control_content(content, "learned-static", str(tmp_path / "order.json")), HOST, "control")
    assert beside.starting_order(Grid(2, 2), SPLITS) == learned
