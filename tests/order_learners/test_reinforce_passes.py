"""REINFORCE with several passes, repeats and blocks: which rewards are compared."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from policies import move, policy_loss, policy_of
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Pass, PatchSequence, Progress, Proposal
from reorder_kit.order_learners.reinforce import Reinforce, ReinforcePolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

HOT = {"shape": "constant", "peak": 1.0}
SEQUENCE = PatchSequence(torch.zeros(8, 5, 1), Grid(1, 5))


def build(**options: Any) -> ReinforcePolicy:
    """A policy in its search."""
    learner = Reinforce(Reinforce.Options(**{"warmup_epochs": 0, "temperature": HOT, **options}))
    policy = policy_of(learner, Order([2, 0, 4, 1, 3]))
    move(policy, at(0))
    return policy


def at(step: int) -> Progress:
    return Progress(step, steps_per_epoch=10, epochs=9, stream=step, shared_stream=step)


def drawn(log_prob: Tensor, groups: list[int], block: int = 0) -> Proposal:
    """Orders of three patches with given log-probabilities."""
    order = Order(torch.arange(3).repeat(len(log_prob), 1), groups=torch.tensor(groups))
    return Proposal(order, log_prob=log_prob, block=block)


def leaf(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, requires_grad=True)


def gradient(policy: ReinforcePolicy, passes: list[Pass], log_prob: Tensor) -> list[float]:
    (found,) = torch.autograd.grad(policy.loss(passes), log_prob, retain_graph=True)
    return found.tolist()


EVERY_WAY = [
    {},
    {"baseline": "ema"},
    {"baseline": "ema", "granularity": "image"},
    {"normalize_advantage": True},
    {"proposals": "swaps"},
    {"distribution": "successors", "optimizer": "natural"},
    {"reuse": 2},
    {"control_variate": "relax"},
    {"repeats": 3, "groups": 1},
    {"repeats": 2, "reuse": 1},
    {"repeats": 2, "proposals": "swaps"},
]


@pytest.mark.parametrize("options", EVERY_WAY, ids=str)
def test_passes_that_earn_different_constants_give_exactly_no_gradient(options: dict[str, Any]) -> None:
    # If passes were compared with each other, the orders of the first would always become more probable.
    policy = build(**options)
    for step in range(3):
        move(policy, at(step))
        passes = [
            Pass((policy.propose(SEQUENCE),), torch.full((8,), reward), view)
            for _ in range(policy.repeats)
            for view, reward in enumerate((0.0, -5.0))
        ]
        loss = policy.loss(passes)
        policy.zero_grad()
        loss.backward()
        assert policy.logits.grad is not None
        assert policy.logits.grad.abs().max() == 0


def test_two_passes_are_the_mean_of_each() -> None:
    policy, first, second = build(), leaf(-1, -2), leaf(-3, -1)
    rewards = [torch.tensor([1.0, 5.0]), torch.tensor([30.0, 10.0])]
    passes = [Pass((drawn(log, [0, 1]),), reward) for log, reward in zip((first, second), rewards, strict=True)]
    # Leave-one-out advantages -4 and 4, 20 and -20, in the mean over two samples and two passes.
    assert gradient(policy, passes, first) == [1, -1]
    assert gradient(policy, passes, second) == [-5, 5]


def test_repeats_are_pooled_pass_by_pass() -> None:
    # One order per repeat; two passes of two repeats. The first pass earns 1 and 5, the second 30 and 10.
    policy = build(groups=1, repeats=2)
    logs = [leaf(-1) for _ in range(4)]
    rewards = [1.0, 30.0, 5.0, 10.0]
    passes = [
        Pass((drawn(log, [0, 0, 0]),), torch.full((3,), reward)) for log, reward in zip(logs, rewards, strict=True)
    ]
    assert [gradient(policy, passes, log) for log in logs] == [[1], [-5], [-1], [5]]


def test_groups_of_repeats_are_samples_of_one_pool() -> None:
    # Group means 1 and 3 of the first repeat, 8 and 4 of the second: with the others' means 5, 13/3, 8/3 and 4.
    policy, one, other = build(groups=2, repeats=2), leaf(-1, -1), leaf(-1, -1)
    passes = [
        Pass((drawn(one, [0, 1, 0]),), torch.tensor([0.0, 3.0, 2.0])),
        Pass((drawn(other, [0, 1, 0]),), torch.tensor([7.0, 4.0, 9.0])),
    ]
    assert gradient(policy, passes, one) == pytest.approx([4 / 4, 4 / 3 / 4])
    assert gradient(policy, passes, other) == pytest.approx([-16 / 3 / 4, 0], abs=1e-6)


def test_swaps_are_compared_with_the_order_they_are_swaps_of() -> None:
    policy, one, other = build(proposals="swaps", groups=2, repeats=2), leaf(-1, -1), leaf(-2, -2)
    passes = [
        Pass((drawn(one, [0, 1]),), torch.tensor([0.0, 2.0])),
        Pass((drawn(other, [0, 1]),), torch.tensor([100.0, 100.0])),
    ]
    # Half each; advantages -1 and 1; of softmax, p (a - mean) = 0.5 (1 - 0), and a half for the mean over repeats.
    assert gradient(policy, passes, one) == pytest.approx([0.25, -0.25])
    assert gradient(policy, passes, other) == [0, 0]


def test_the_log_probability_is_that_of_all_blocks() -> None:
    policy, first, later = build(), leaf(-1, -2), leaf(-3, -4)
    passes = [Pass((drawn(first, [0, 1]), drawn(later, [0, 1], block=2)), torch.tensor([1.0, 5.0]))]
    assert gradient(policy, passes, first) == gradient(policy, passes, later) == [2, -2]
    entropic = build(entropy_bonus=0.5)
    # Rewards 1 and 5, plus half of 4 and 6 nats: 3 and 8.
    assert gradient(entropic, passes, later) == [2.5, -2.5]


def test_every_repeat_draws_anew_and_a_resumed_step_draws_the_same() -> None:
    policy = build(groups=1, repeats=4)
    rounds = []
    for _ in range(2):
        move(policy, at(7))
        rounds.append([tuple(policy.propose(SEQUENCE).order.indices.flatten().tolist()) for _ in range(4)])
    assert rounds[0] == rounds[1]
    assert len(set(rounds[0])) > 1


def test_the_step_is_repeated_only_where_orders_are_drawn() -> None:
    policy = policy_of(Reinforce(Reinforce.Options(warmup_epochs=1, search_epochs=2, repeats=3)), Order([1, 0, 2]))
    found = []
    for step in (0, 9, 15, 20, 29, 30):  # the triangle of temperatures begins and ends at 0
        move(policy, at(step))
        found.append(policy.repeats)
    assert found == [1, 1, 3, 3, 1, 1]


def test_repeats_take_the_place_of_groups() -> None:
    assert Reinforce.Options(groups=1, repeats=2).repeats == 2
    with pytest.raises(ValidationError, match="at least 2 groups or repeats"):
        Reinforce.Options(groups=1)
    with pytest.raises(ValidationError, match="swaps need at least 2 groups"):
        Reinforce.Options(groups=1, repeats=2, proposals="swaps")


def test_passes_that_are_not_those_of_whole_repeats_are_refused() -> None:
    policy = build(repeats=2)
    with pytest.raises(ReorderKitError, match="3 passes cannot be split evenly over 2 repeats"):
        policy.loss([Pass((policy.propose(SEQUENCE),), torch.zeros(8)) for _ in range(3)])


def test_each_pass_has_a_running_mean_of_its_own() -> None:
    policy = build(baseline="ema", ema_decay=0.5)
    for rewards, means in [((4.0, -8.0), [4, -8]), ((6.0, -8.0), [5, -8])]:
        policy.loss([Pass((drawn(leaf(-1), [0]),), torch.tensor([reward])) for reward in rewards])
        assert policy.reward_mean.tolist() == means
    fresh = build(baseline="ema")
    fresh.load_state_dict(policy.state_dict())
    assert fresh.reward_mean.tolist() == [5, -8]


def test_what_is_remembered_is_some_of_every_pass() -> None:
    policy = build(groups=2, reuse=1)
    assert policy.memory is not None
    orders = [policy.propose(SEQUENCE), policy.propose(SEQUENCE)]
    reward = torch.tensor([1.0, 0.0] * 4)
    policy.loss([Pass((orders[0],), reward), Pass((orders[1],), 3 * reward)])
    kept = torch.stack([orders[0].order.indices[0], orders[1].order.indices[0]])
    assert torch.equal(policy.memory.orders[0], kept)
    assert policy.memory.advantage.tolist() == [[1, 3]]


@pytest.mark.parametrize("options", [{"baseline": "ema"}, {"reuse": 2}, {"control_variate": "relax"}], ids=str)
def test_new_weights_begin_with_new_baselines(options: dict[str, Any]) -> None:
    policy, fresh = build(**options), build(**options)
    optimizer = policy.build_optimizer()
    for step in range(3):
        move(policy, at(step))
        policy_loss(policy, policy.propose(SEQUENCE), torch.randn(8)).backward()
        optimizer.step()
        optimizer.zero_grad()
    policy.reset_baselines()
    fresh.logits.data.copy_(policy.logits)
    losses = []
    for one in (policy, fresh):
        move(one, at(4))
        losses.append(policy_loss(one, one.propose(SEQUENCE), torch.arange(8.0)))
    assert torch.equal(*losses)
