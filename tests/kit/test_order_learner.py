"""The rules of order-learners, each with a learner that breaks it."""

from __future__ import annotations

import pytest

from reorder_kit.interfaces import Grid, Phases
from reorder_kit.testing import (
    ORDER_LEARNER_RULES,
    BrokenRulesError,
    _learner_orders,
    check_order_learner,
    order_learner,
)
from reorder_kit.testing.order_learner import order_learner_case
from wrong import assert_caught, own_rules
from wrong_learners import (
    GRIDS,
    AddsUp,
    ComparesRepeats,
    CountsInPython,
    ForgetsTheBlock,
    FromZero,
    Frozen,
    Idle,
    NeverHardens,
    NoBaseline,
    NotANumber,
    OrdersTwice,
    Penalized,
    ReadsPixels,
    ReadsPixelsInSecret,
    Repeats,
    ReversesLater,
    SaysItMixes,
    ScorePolicy,
    Scores,
    SearchesInWarmUp,
    Sizeless,
    SquaresOnly,
    TakesAll,
    TakesNone,
    Tries,
    TriesBoth,
    TryingPolicy,
    Underflows,
    WithTemperature,
    learner,
)

WRONG = [
    (_learner_orders.says_whether_it_uses_the_reward, learner(uses_reward="yes"), "uses_reward is 'yes'"),
    (_learner_orders.an_untrained_policy_is_the_start, learner(FromZero), "the best order on a 3x5 grid"),
    (_learner_orders.the_start_is_proposed_during_warm_up, learner(SearchesInWarmUp), "step 0"),
    (
        _learner_orders.phases_come_in_sequence_and_the_last_one_fixes_the_best_order,
        learner(NeverHardens),
        "after the search",
    ),
    (_learner_orders.a_rule_learns_nothing, learner(is_rule=True), "there is something to learn"),
    (
        _learner_orders.proposals_are_valid_orders_of_every_image,
        learner(Repeats),
        "does not have every patch exactly once",
    ),
    (_learner_orders.what_is_applied_follows_from_what_is_proposed, learner(SaysItMixes), "exact is True, not False"),
    (_learner_orders.all_state_is_in_parameters_and_buffers, learner(CountsInPython), "the proposal"),
    (_learner_orders.advancing_twice_to_a_step_is_advancing_once, learner(AddsUp), "the proposal"),
    (
        _learner_orders.an_order_of_another_grid_is_refused_when_weights_are_loaded,
        learner(Sizeless),
        "for 15 patches accepts the weights of one for 1",
    ),
    (
        _learner_orders.phases_fit_runs_of_every_length,
        learner(phases=lambda _, epochs: Phases(epochs - 5, 5)),
        "run of 1 epochs",
    ),
    (order_learner.the_loss_has_a_finite_gradient_for_every_parameter, learner(Idle), "idle has no gradient"),
    (order_learner.no_temperature_gives_nan, learner(Underflows), "not finite"),
    (order_learner.metrics_are_finite_numbers_in_every_phase, learner(NotANumber), "entropy is nan"),
    (order_learner.uses_the_reward_exactly_if_it_says_so, learner(uses_reward=False), "is False, not True"),
    (
        order_learner.uses_the_reward_exactly_if_it_says_so,
        learner(Penalized, uses_reward=True),
        "is True, not False",
    ),
    (_learner_orders.an_untrained_policy_is_the_start, learner(ReversesLater), "before block 1"),
    (_learner_orders.proposals_are_valid_orders_of_every_image, learner(ForgetsTheBlock), "is (0, 0), not (0, 1)"),
    (_learner_orders.proposals_are_valid_orders_of_every_image, learner(ReadsPixelsInSecret), "NoneType"),
    (order_learner.a_constant_reward_changes_no_order, learner(NoBaseline), "change the best order"),
    (
        order_learner.the_best_order_follows_the_reward_of_trials_and_nothing_else,
        type("Wrong", (Tries,), {"policy": TakesAll}),
        "ignores the order changes it",
    ),
    (
        order_learner.the_best_order_follows_the_reward_of_trials_and_nothing_else,
        type("Wrong", (Tries,), {"policy": TakesNone}),
        "by only 0.0",
    ),
    (
        order_learner.a_search_evaluates_as_many_images_as_declared,
        learner(TryingPolicy),
        "is 0.0, but a step of the search evaluates 2.000",
    ),
]


@pytest.mark.parametrize(("rule", "wrong", "seen"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_learner_is_caught(rule, wrong, seen):
    assert_caught(rule, order_learner_case(wrong, grids=GRIDS, batches=(1, 7)), seen)


@pytest.mark.parametrize("right", [Scores, Tries])
def test_every_rule_has_a_wrong_learner_and_right_ones_pass(right):
    assert {rule for rule, *_ in WRONG} == own_rules(ORDER_LEARNER_RULES)
    check_order_learner(right, grids=GRIDS)


@pytest.mark.parametrize(
    "right",
    [
        learner(Penalized, uses_reward=False),
        learner(OrdersTwice),
        learner(ReadsPixels),
        learner(ComparesRepeats),
        learner(SquaresOnly),
        learner(Frozen),
        WithTemperature,
        type("Right", (Tries,), {"__doc__": "A right one.", "policy": TriesBoth}),
    ],
    ids=lambda right: right.policy.__name__ if right is not WithTemperature else "temperature",
)
def test_a_learner_that_is_right_in_another_way_passes(right):
    check_order_learner(right, grids=[Grid(4, 4)])


def test_grids_that_are_not_given_are_not_tried():
    seen = set()

    def build_policy(self, context):
        seen.add(context.grid)
        return ScorePolicy(context.start)

    given = [Grid(2, 2), Grid(3, 3, 2)]
    check_order_learner(learner(build_policy=build_policy), grids=given)
    assert seen == set(given)


def test_orders_of_images_alone_fit_every_grid_and_those_that_hide_their_state_do_not():
    rule = _learner_orders.an_order_of_another_grid_is_refused_when_weights_are_loaded
    rule(order_learner_case(learner(type("OfImages", (Sizeless,), {"is_static": False})), grids=GRIDS))
    rule(order_learner_case(learner(Sizeless), grids=[Grid(2, 3), Grid(3, 2)]))  # of one size: nothing to compare
    with pytest.raises(BrokenRulesError):
        rule(order_learner_case(learner(Sizeless), grids=GRIDS))
