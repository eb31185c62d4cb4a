"""The rules of order-learners, each with a learner that breaks it."""

from __future__ import annotations

import pytest
import torch
from pydantic import Field
from torch import nn

from reorder_kit.interfaces import ComponentOptions, Grid, Order, OrderLearner, Phases, Policy, Proposal
from reorder_kit.testing import (
    ORDER_LEARNER_RULES,
    BrokenRulesError,
    _learner_orders,
    check_order_learner,
    order_learner,
)
from reorder_kit.testing.order_learner import order_learner_case
from wrong import assert_caught, own_rules

GRIDS = (Grid(1, 1), Grid(3, 5))


class ScorePolicy(Policy):
    """A score for each patch, with noise; scores move towards noise that was rewarded."""

    lr = 0.05

    def __init__(self, start):
        super().__init__()
        self.scores = nn.Parameter(-start.rank.float())
        self.generator = torch.Generator()

    def advance(self, progress):
        super().advance(progress)
        self.generator.manual_seed(progress.stream)

    def propose(self, sequence, block=0):
        if self.phase != "search":
            return Proposal(self.best_order())
        noise = torch.randn(sequence.batch, len(self.scores), generator=self.generator)
        drawn = self.scores.detach() + noise
        order = Order.trusted(drawn.argsort(dim=1, descending=True), len(self.scores))
        return Proposal(order, log_prob=self.log_prob((drawn - self.scores).square().sum(dim=1)))

    def log_prob(self, squares):
        return -squares / 2

    def loss(self, passes, batch=None):
        proposal, reward = passes[0].proposals[0], passes[0].reward
        if proposal.log_prob is None:
            return reward.new_zeros(())
        return -(self.advantage(reward) * proposal.log_prob).mean()

    def advantage(self, reward):
        relative = reward - reward[0]  # equal rewards give zero, without rounding
        return relative - relative.mean()

    def best_order(self, sequence=None, block=0):
        return Order.trusted(self.scores.detach().argsort(descending=True), len(self.scores))

    def build_optimizer(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Scores(OrderLearner):
    """Scores with noise."""

    name = "scores"
    uses_reward = True
    policy = ScorePolicy

    def phases(self, epochs):
        return Phases(0.1 * epochs, 0.5 * epochs)

    def build_policy(self, context):
        return self.policy(context.start)


def learner(policy_class=ScorePolicy, **attributes):
    """Scores, with something wrong about them."""
    return type("Wrong", (Scores,), {"__doc__": "A wrong one.", "policy": policy_class, **attributes})


class FromZero(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        nn.init.zeros_(self.scores)


class SearchesInWarmUp(ScorePolicy):
    def propose(self, sequence, block=0):
        if self.phase != "warm-up":
            return super().propose(sequence, block)
        self.phase = "search"
        proposal = super().propose(sequence, block)
        self.phase = "warm-up"
        return proposal


class NeverHardens(ScorePolicy):
    def propose(self, sequence, block=0):
        if self.phase != "hardened":
            return super().propose(sequence, block)
        self.phase = "search"
        proposal = super().propose(sequence, block)
        self.phase = "hardened"
        return proposal


class Repeats(ScorePolicy):
    def propose(self, sequence, block=0):
        proposal = super().propose(sequence, block)
        indices = proposal.order.indices.clone()
        indices[..., -1] = indices[..., 0]
        return Proposal(Order.trusted(indices, len(self.scores)), log_prob=proposal.log_prob)


class SaysItMixes(ScorePolicy):
    mixes = True


class CountsInPython(ScorePolicy):
    calls = 0

    def propose(self, sequence, block=0):
        self.calls += 1
        self.generator.manual_seed(self.calls)
        return super().propose(sequence, block)


class AddsUp(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        self.register_buffer("steps", torch.tensor(0))

    def advance(self, progress):
        super().advance(progress)
        self.steps += 1
        self.generator.manual_seed(int(self.steps))


class Sizeless(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        kept = self.scores.detach()
        del self.scores
        self.scores = kept
        self.scale = nn.Parameter(torch.ones(()))


class Idle(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        self.idle = nn.Parameter(torch.ones(2))


class Underflows(ScorePolicy):
    def log_prob(self, squares):
        return (-10 * squares).exp().log()


class NotANumber(ScorePolicy):
    def metrics(self):
        return {"entropy": float("nan")}


class NoBaseline(ScorePolicy):
    lr = 1.0

    def advantage(self, reward):
        return reward


class TryingPolicy(Policy):
    """Two patches trade places where the images of the step like it."""

    def __init__(self, start):
        super().__init__()
        self.register_buffer("indices", start.indices.clone())
        self.generator = torch.Generator()

    def advance(self, progress):
        super().advance(progress)
        self.generator.manual_seed(progress.shared_stream)

    def propose(self, sequence, block=0):
        return Proposal(self.best_order())

    def search(self, evaluate):
        if self.phase != "search":
            return
        first, second = torch.randint(len(self.indices), (2,), generator=self.generator).tolist()
        swapped = self.indices.clone()
        swapped[[first, second]] = self.indices[[second, first]]
        candidate = Proposal(Order.trusted(swapped, len(swapped)))
        if self.is_better(evaluate(candidate), evaluate(Proposal(self.best_order()))):
            self.indices.copy_(swapped)

    def is_better(self, reward, before):
        return reward.mean() > before.mean()

    def best_order(self, sequence=None, block=0):
        return Order.trusted(self.indices.clone(), len(self.indices))

    def build_optimizer(self):
        return None


class TakesAll(TryingPolicy):
    def is_better(self, reward, before):
        return True


class TakesNone(TryingPolicy):
    def is_better(self, reward, before):
        return False


class Tries(Scores):
    """It tries to swap patches."""

    name = "tries"
    policy = TryingPolicy

    def extra_passes(self, batch):
        return 2.0


class Penalized(ScorePolicy):
    """Its loss is not zero, whatever the reward."""

    def propose(self, sequence, block=0):
        return Proposal(self.best_order())

    def loss(self, passes, batch=None):
        return self.scores.square().sum() if self.phase == "search" else self.scores.new_zeros(())


class OrdersTwice(ScorePolicy):
    """Scores decide before block 0; before block 1 everything stays where it is."""

    blocks = (0, 1)

    def propose(self, sequence, block=0):
        if block == 0:
            return super().propose(sequence)
        return Proposal(self.best_order(sequence, block), block=block)

    def best_order(self, sequence=None, block=0):
        return super().best_order() if block == 0 else self.later_order()

    def later_order(self):
        return Order.identity(len(self.scores))


class ReversesLater(OrdersTwice):
    def later_order(self):
        return Order(torch.arange(len(self.scores)).flip(0))


class ForgetsTheBlock(OrdersTwice):
    def propose(self, sequence, block=0):
        return Proposal(self.best_order(sequence, block)) if block else super().propose(sequence)


class ReadsPixels(ScorePolicy):
    """Two images with the same pixels draw alike; pixels of the grid's patches and targets have to be there."""

    needs = frozenset({"pixels"})

    def propose(self, sequence, block=0):
        assert sequence.pixels.shape[:2] == sequence.patches.shape[:2]
        return super().propose(sequence, block)

    def loss(self, passes, batch=None):
        assert batch.targets.shape == passes[0].reward.shape
        assert set(batch.targets.tolist()) <= {0, 1}
        return super().loss(passes, batch)


class ReadsPixelsInSecret(ReadsPixels):
    needs = frozenset()


class ComparesRepeats(ScorePolicy):
    """Each image is compared with itself in another repeat."""

    repeats = 2

    def loss(self, passes, batch=None):
        first, second = passes
        if first.proposals[0].log_prob is None:
            return first.reward.new_zeros(())
        difference = first.reward - second.reward
        return -(difference * (first.proposals[0].log_prob - second.proposals[0].log_prob)).mean()


class SquaresOnly(ScorePolicy):
    """Whatever comes without its square grid, or before the first step, is an error."""

    advanced = False

    def advance(self, progress):
        super().advance(progress)
        self.advanced = True

    def load_state_dict(self, *args, **keywords):
        self.advanced = False
        return super().load_state_dict(*args, **keywords)

    def propose(self, sequence, block=0):
        assert sequence.grid.height == sequence.grid.width
        assert self.advanced
        return super().propose(sequence, block)

    def best_order(self, sequence=None, block=0):
        assert self.advanced
        return super().best_order(sequence, block)


class Frozen(ScorePolicy):
    def __init__(self, start):
        super().__init__(start)
        self.kept = nn.Parameter(torch.ones(2), requires_grad=False)


class WithTemperature(Scores):
    """Scores with a temperature of another type than that of the package's learners."""

    class Options(ComponentOptions):
        temperature: float = Field(1.0, gt=0, description="of the noise")


class TriesBoth(TryingPolicy):
    """It swaps before block 0, and tries each candidate with what comes before block 1."""

    blocks = (0, 1)

    def propose(self, sequence, block=0):
        return Proposal(self.best_order(sequence, block), block=block)

    def search(self, evaluate):
        later = Proposal(Order.identity(len(self.indices)), block=1)
        super().search(lambda proposal: evaluate([proposal, later]))

    def best_order(self, sequence=None, block=0):
        return super().best_order() if block == 0 else Order.identity(len(self.indices))


WRONG = [
    (_learner_orders.says_whether_it_uses_the_reward, learner(uses_reward="yes"), "uses_reward is 'yes'"),
    (_learner_orders.an_untrained_policy_is_the_start, learner(FromZero), "the best order on a 3x5 grid"),
    (_learner_orders.the_start_is_proposed_during_warm_up, learner(SearchesInWarmUp), "step 0"),
    (
        _learner_orders.phases_come_in_sequence_and_the_last_one_fixes_the_best_order,
        learner(NeverHardens),
        "after the search",
    ),
    (_learner_orders.proposals_are_valid_orders_of_every_image, learner(Repeats), "not every patch once"),
    (_learner_orders.what_is_applied_follows_from_what_is_proposed, learner(SaysItMixes), "exact is True, not False"),
    (_learner_orders.all_state_is_in_parameters_and_buffers, learner(CountsInPython), "what is proposed"),
    (_learner_orders.advancing_twice_to_a_step_is_advancing_once, learner(AddsUp), "what is proposed"),
    (
        _learner_orders.an_order_of_another_grid_is_refused_when_weights_are_loaded,
        learner(Sizeless),
        "of 15 patches takes the weights of one of 1",
    ),
    (
        _learner_orders.phases_fit_runs_of_every_length,
        learner(phases=lambda _, epochs: Phases(epochs - 5, 5)),
        "run of 1 epochs",
    ),
    (order_learner.the_loss_reaches_every_parameter_in_finite_numbers, learner(Idle), "no gradient of idle"),
    (order_learner.no_temperature_gives_nan, learner(Underflows), "not finite"),
    (order_learner.metrics_are_finite_numbers_in_every_phase, learner(NotANumber), "entropy is nan"),
    (order_learner.hangs_on_the_reward_exactly_if_it_says_so, learner(uses_reward=False), "is False, not True"),
    (
        order_learner.hangs_on_the_reward_exactly_if_it_says_so,
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
        "gains 0.0",
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
