"""How a race spends its budget."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reorder_kit.errors import ReorderKitError
from reorder_kit.race.plan import RacePlan, Rung, plan_of


def test_three_runs_of_three_hundred_steps_worked_out_by_hand() -> None:
    """900 steps: the final is 4 trainings of 100, which leaves 8 of 60: too few for a round of leaders."""
    plan = plan_of(3, 300, pool=60)
    assert plan.rungs == (Rung(60, 8, 1, 0, 8), Rung(100, 2, 2, 0, 4))
    assert (plan.steps, plan.trials) == (8 * 60 + 400, 12)
    assert plan.cost == pytest.approx(880 / 300)


def test_five_runs_worked_out_by_hand() -> None:
    """1,500 steps: 6 trainings of 100 for the final, 15 of 60 are left: 10 screen, 5 go to leaders and a mutation."""
    assert plan_of(5, 300, pool=60).rungs == (Rung(60, 10, 1, 0, 10), Rung(60, 3, 2, 1, 4), Rung(100, 2, 3, 0, 6))


def test_without_mutations_leaders_race_with_one_more_seed() -> None:
    assert plan_of(5, 300, pool=60, with_mutations=False).rungs[1] == Rung(60, 5, 2, 0, 5)


def test_with_a_large_budget_the_final_is_trained_in_full_and_everyone_is_screened() -> None:
    plan = plan_of(60, 300, pool=70)
    assert plan.rungs[0].candidates == 70
    assert plan.rungs[-1].steps == 300
    assert [rung.steps for rung in plan.rungs] == sorted(rung.steps for rung in plan.rungs)


def test_the_smallest_budget_races_two_candidates_over_short_trainings() -> None:
    assert plan_of(0.4, 300, pool=60) == RacePlan(300, (Rung(60, 2, 1, 0, 2),))


budgets = st.one_of(st.floats(0.01, 6), st.floats(1, 200))


@given(budgets, st.integers(1, 3000), st.integers(2, 120), st.booleans())
def test_a_plan_can_be_carried_out_and_costs_no_more_than_its_budget(
    budget: float, full: int, pool: int, with_mutations: bool
) -> None:
    try:
        plan = plan_of(budget, full, pool, with_mutations)
    except ReorderKitError as error:
        assert "too few to race two candidates" in error.message  # noqa: PT017
        assert math.floor(budget * full + 1e-9) < 2 * max(1, min(max(30, full // 5), full // 3))
        return
    assert plan.steps <= budget * full + 1e-6
    first, last = plan.rungs[0], plan.rungs[-1]
    assert 2 <= first.candidates <= pool
    assert last.candidates >= 2
    known = {first.steps: (first.candidates, first.seeds)}
    assert first.trials == first.candidates * first.seeds
    for before, rung in zip(plan.rungs, plan.rungs[1:], strict=False):
        leaders = rung.candidates - rung.mutations
        assert 1 <= leaders <= before.candidates
        assert rung.steps >= before.steps
        assert with_mutations or not rung.mutations
        trained = known.get(rung.steps, (0, 0))[1]
        assert rung.trials >= leaders * max(0, rung.seeds - trained) + rung.mutations * rung.seeds
        known[rung.steps] = (rung.candidates, rung.seeds)


@pytest.mark.parametrize("budget", [0, -1, math.nan, math.inf, 1e9])
def test_a_budget_that_is_no_number_to_spend_is_refused(budget: float) -> None:
    with pytest.raises(ReorderKitError, match="out of range") as caught:
        plan_of(budget, 300, 60)
    assert "--budget" in str(caught.value)


def test_a_budget_too_small_for_two_candidates_names_one_that_is_not() -> None:
    with pytest.raises(ReorderKitError, match=r"a budget of 0\.3 is 90 steps, too few") as caught:
        plan_of(0.3, 300, 60)
    assert caught.value.hint == "give --budget 0.4 or more"
    plan_of(0.4, 300, 60)


def test_a_single_order_is_no_race() -> None:
    with pytest.raises(ReorderKitError, match="only one order"):
        plan_of(3, 300, pool=1)
