"""What a control replaces, in a separate run and within another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reorder_kit import controls
from reorder_kit.controls import BUILT_IN
from reorder_kit.controls.random_per_batch import RandomOrders
from reorder_kit.data_sources.digits import Digits
from reorder_kit.errors import RecipeError
from reorder_kit.experiment.beside import recipe_beside
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import no_influence
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import BackboneFacts
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.order_learners.reinforce import ReinforcePolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.run_folder import RunFolder

CONTROLS = ("fixed-start", "learned-static", "null-reward", "random-fixed", "random-per-batch", "shuffled-targets")
HOST = PluginHost(third_party=False)
SPLITS = Digits().open(0)
FACTS = BackboneFacts(Grid(2, 2), dim=8, depth=1)


def recipe(**sections):
    backbone = {"name": "local", "patch_size": 2}
    return {"format_version": 1, "name": "trial", "data": "digits", "backbone": backbone, **sections}


def test_every_file_of_the_folder_holds_a_control_of_the_list():
    folder = Path(controls.__file__).parent
    files = sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))
    assert sorted(type(control).__module__.rpartition(".")[2] for control in BUILT_IN.values()) == files


def test_a_random_start_depends_on_the_seed_and_on_nothing_else():
    def start(seed, first):
        order = {"start": first, "control": "random-fixed"}
        return compose(recipe(seed=seed, order=order), HOST, "trial").starting_order(Grid(4, 4), SPLITS, no_influence)

    assert start(0, "row") == start(0, "hilbert")
    assert start(0, "row") != start(1, "row")
    assert start(0, "row") != Order.identity(16)


def test_each_control_gets_its_policy():
    def policy(order):
        return compose(recipe(order=order), HOST, "trial").build_policy(Order.identity(4), FACTS, ())

    assert isinstance(policy({"learner": "reinforce"}), ReinforcePolicy)
    assert isinstance(policy({"learner": "reinforce", "control": "null-reward"}), ReinforcePolicy)
    assert isinstance(policy({"control": "random-per-batch"}), RandomOrders)
    assert isinstance(policy({"learner": "reinforce", "control": "random-per-batch"}), RandomOrders)
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
    beside = compose(
        recipe_beside(BUILT_IN[control], content, RunFolder(Path("runs/trial"))), HOST, "control"
    ).resolved()
    order = beside["order"]
    assert (order["start"]["name"], order["learner"] is not None, order["control"]) == expected
    assert order["start"].get("file") == (
        str(Path("runs/trial/order.json").absolute()) if control == "learned-static" else None
    )
    assert beside["controls"] == []
    assert beside["data"].pop("shuffle_targets") == (control == "shuffled-targets")
    assert not content["data"].pop("shuffle_targets")
    assert {key: beside[key] for key in beside if key not in ("order", "controls")} == {
        key: content[key] for key in content if key not in ("order", "controls")
    }


@pytest.mark.parametrize("own", ["null-reward", "random-fixed", "random-per-batch"])
def test_a_run_that_is_a_control_has_none_beside_it(own):
    content = recipe(order={"learner": "reinforce", "control": own}, controls=["fixed-start"])
    with pytest.raises(RecipeError, match="a run that is itself a control cannot have controls"):
        compose(content, HOST, "trial")


def test_learned_static_starts_from_the_learned_order(tmp_path):
    learned = Order([2, 0, 3, 1])
    OrderFile("learned", Grid(2, 2), learned).save(tmp_path / "order.json")
    content = compose(recipe(order={"start": "column", "learner": "reinforce"}), HOST, "trial").resolved()
    beside = compose(recipe_beside(BUILT_IN["learned-static"], content, RunFolder(tmp_path)), HOST, "control")
    assert beside.starting_order(Grid(2, 2), SPLITS, no_influence) == learned


def test_noise_for_a_reward_has_its_spread_and_nothing_else_of_it():
    reward = torch.arange(4000.0) % 7 + 100
    torch.manual_seed(0)
    noise = BUILT_IN["null-reward"].reward(reward)
    # Four standard errors of a mean, a standard deviation and a correlation of 4,000 normal numbers.
    assert abs(noise.mean()) < 4 * 2 / 4000**0.5
    assert noise.std() == pytest.approx(2, abs=4 * 2 / 8000**0.5)
    assert abs(torch.corrcoef(torch.stack([noise, reward]))[0, 1]) < 4 / 4000**0.5
    assert BUILT_IN["null-reward"].reward(torch.full((5,), 3.0)).tolist() == [0] * 5


def test_controls_that_replace_nothing_leave_start_policy_and_reward():
    reward = torch.tensor([1.0, 2.0])
    for name in ("random-fixed", "random-per-batch"):
        assert BUILT_IN[name].reward(reward) is reward
        assert not BUILT_IN[name].keeps_learner
    assert BUILT_IN["null-reward"].keeps_learner
    assert BUILT_IN["null-reward"].policy(Order.identity(4)) is None
    assert BUILT_IN["null-reward"].starting_order(Grid(2, 2), 0) is None
    assert BUILT_IN["random-per-batch"].starting_order(Grid(2, 2), 0) is None


@pytest.mark.parametrize(
    ("control", "said"),
    [
        ("null-reward", "softsort from row with noise as the reward"),
        ("learned-static", "the order that softsort learned from row, from scratch,"),
        ("shuffled-targets", "softsort from row with shuffled targets on training images"),
    ],
)
def test_a_control_says_what_was_trained(control, said):
    assert BUILT_IN[control].described("softsort", "row") == said


def test_without_a_learner_its_words_are_enough():
    assert BUILT_IN["random-fixed"].described(None, "row") == "a random order"
