"""Policies that learn nothing."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from scipy.stats import chisquare

from policies import policy_loss, propose_one
from reorder_kit.controls.random_per_batch import RandomOrders
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.sequence import PatchSequence

SEQUENCE = PatchSequence(torch.zeros(5, 6, 2), Grid(2, 3))
START = Order([4, 0, 5, 2, 1, 3])
PARTIAL = Order([4, 1, 3], num_patches=6)
both = pytest.mark.parametrize("kind", [FixedOrder, RandomOrders])
every_start = pytest.mark.parametrize("start", [START, PARTIAL], ids=["full", "partial"])


def at(step: int) -> Progress:
    return Progress(step, steps_per_epoch=10, epochs=3, stream=1000 + step)


@every_start
def test_a_fixed_order_stays(start: Order) -> None:
    policy = FixedOrder(start)
    for step in range(30):
        policy.advance(at(step))
        assert policy.propose(SEQUENCE).order == start
        assert policy.phase == "hardened"


@both
@every_start
def test_a_trained_model_uses_the_start(kind: type[FixedOrder], start: Order) -> None:
    policy = kind(start)
    policy.advance(at(7))
    policy.propose(SEQUENCE)
    assert policy.best_order() == policy.best_order(SEQUENCE) == start


@both
def test_nothing_is_optimised(kind: type[FixedOrder]) -> None:
    policy = kind(START)
    assert policy.build_optimizer() is None
    assert not list(policy.parameters())
    loss = policy_loss(policy, policy.propose(SEQUENCE), torch.ones(5))
    assert loss.shape == ()
    assert loss == 0


@both
@every_start
def test_the_order_is_in_the_weights(kind: type[FixedOrder], start: Order) -> None:
    other = kind(Order(start.indices.flip(0), start.num_patches))
    other.load_state_dict(kind(start).state_dict())
    assert other.best_order() == start


def test_a_fixed_order_keeps_its_grid() -> None:
    assert FixedOrder(Order([3, 0, 2, 1], grid=Grid(2, 2))).best_order().grid == Grid(2, 2)
    assert FixedOrder(Order([3, 0, 2, 1])).best_order().grid is None


def test_changing_the_order_that_was_given_does_not_change_the_policy() -> None:
    given = Order([1, 0, 2])
    policy = FixedOrder(given)
    given.indices[0] = 2
    assert policy.best_order().indices.tolist() == [1, 0, 2]


@every_start
def test_every_batch_gets_another_order_of_the_same_patches(start: Order) -> None:
    policy = RandomOrders(start)
    drawn = []
    for step in range(20):
        policy.advance(at(step))
        order = policy.propose(SEQUENCE).order
        assert order.is_static
        assert order.num_patches == 6
        assert sorted(order.indices.tolist()) == sorted(start.indices.tolist())
        drawn.append(tuple(order.indices.tolist()))
    assert len(set(drawn)) > 5


def test_several_batches_of_one_step_differ() -> None:
    policy = RandomOrders(Order.identity(64))
    policy.advance(at(0))
    assert propose_one(policy).order != propose_one(policy).order


def test_the_stream_alone_decides_the_order() -> None:
    policy, other = RandomOrders(START), RandomOrders(START)
    for step in range(9):
        policy.advance(at(step))
        policy.propose(SEQUENCE)
    for one in (policy, other):
        one.advance(Progress(3, steps_per_epoch=4, epochs=5, stream=77))
    assert policy.propose(SEQUENCE).order == other.propose(SEQUENCE).order


def test_every_order_is_equally_probable() -> None:
    # The false-alarm rate of the chi-square test is 0.001.
    policy = RandomOrders(Order([2, 0, 1, 3]))
    policy.advance(at(0))
    counts = dict.fromkeys(permutations(range(4)), 0)
    for _ in range(4800):
        counts[tuple(propose_one(policy).order.indices.tolist())] += 1
    assert chisquare(list(counts.values())).pvalue > 1e-3
