"""Every order-learner with several options keeps the contract, from every starting order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from learner_cases import CASES, GRIDS, LEARNERS, OPTIONS, ORDERINGS
from reorder_kit.interfaces import Grid, Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.testing import ORDER_LEARNER_RULES, order_learner_case
from reorder_kit.testing._learner_orders import an_order_of_another_grid_is_refused_when_weights_are_loaded
from reorder_kit.testing._search import LearnerCase, Led, images, shuffled
from reorder_kit.testing.order_learner import (
    a_constant_reward_changes_no_order,
    expect_finite_steps,
    no_temperature_gives_nan,
)
from reorder_kit.testing.rule import Rule

GRIDS_OF_RULES = {
    no_temperature_gives_nan: [Grid(1, 1), Grid(1, 2), Grid(1, 17), Grid(8, 8)],
    an_order_of_another_grid_is_refused_when_weights_are_loaded: [Grid(2, 3), Grid(2, 4)],
}
"""Critical sizes: odd or prime, and two that pad to the same power of two."""

every_learner = pytest.mark.parametrize(("name", "options"), CASES)


def case_of(name: str, options: dict[str, Any], grids: list[Grid] = GRIDS) -> LearnerCase:
    return order_learner_case(LEARNERS[name], options, grids)


def test_options_are_listed_of_learners_that_there_are() -> None:
    assert set(OPTIONS) <= set(LEARNERS)


@pytest.mark.parametrize("rule", ORDER_LEARNER_RULES, ids=str)
@every_learner
def test_a_learner_keeps_the_rule(name: str, options: dict[str, Any], rule: Rule[Any]) -> None:
    if rule is a_constant_reward_changes_no_order and options.get("baseline") == "none":
        pytest.skip("without a baseline a reward moves the policy, whatever it is, as its description says")
    rule(case_of(name, options, GRIDS_OF_RULES.get(rule, GRIDS)))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("ordering", sorted(ORDERINGS))
@every_learner
def test_an_untrained_policy_is_the_start_of_every_ordering(
    name: str, options: dict[str, Any], ordering: str, grid: Any, tmp_path: Path
) -> None:
    start = start_of(ordering, grid, tmp_path)
    led = Led.by(case_of(name, options), start, grid)
    assert led.policy.best_order() == led.policy.best_order(images(2, grid)) == start
    led.move(0)
    assert led.policy.best_order() == start
    other = Led.by(case_of(name, options), Order(start.indices.flip(0)), grid)
    other.policy.load_state_dict(led.policy.state_dict())
    assert other.policy.best_order() == start
    assert led.policy.double().best_order() == start


def start_of(ordering: str, grid: Any, folder: Path) -> Order:
    """The order of the ordering for the grid; a shuffle if it is read from a file."""
    options: dict[str, Any] = {}
    if "file" in ORDERINGS[ordering].Options.model_fields:
        options["file"] = folder / "order.json"
        OrderFile("mine", grid, shuffled(grid.num_patches)).save(options["file"])
    return ORDERINGS[ordering](ORDERINGS[ordering].Options(**options)).order(grid)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1e-4, 1e4])
@pytest.mark.parametrize("autocast", [False, True], ids=["fp32", "bf16-autocast"])
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_no_temperature_gives_nan_with_a_thousand_patches(name: str, temperature: float, autocast: bool) -> None:
    has_temperature = "temperature" in LEARNERS[name].Options.model_fields
    options = {"temperature": {"shape": "constant", "peak": temperature}} if has_temperature else {}
    expect_finite_steps(case_of(name, options), Grid(32, 32), autocast, steps=1)
