"""Swaps: an order and its neighbors, compared only with each other."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from policies import move, policy_loss, policy_of
from reorder_kit.interfaces import PatchSequence, Progress, Proposal
from reorder_kit.order_learners._swaps import with_swaps
from reorder_kit.order_learners.reinforce import Reinforce, ReinforcePolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


def build(start: list[int]) -> ReinforcePolicy:
    options = Reinforce.Options(
        warmup_epochs=0, search_epochs=9, groups=6, proposals="swaps", temperature={"shape": "constant", "peak": 0.5}
    )
    policy = policy_of(Reinforce(options), Order(start))
    move(policy, Progress(3, steps_per_epoch=1, epochs=9, stream=5))
    return policy


@pytest.mark.parametrize("size", [2, 3, 9])
def test_the_first_is_the_order_itself_and_each_other_differs_in_two_slots(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(size, generator=generator)
    orders = with_swaps(order, 20, generator)
    assert torch.equal(orders[0], order)
    assert torch.equal(orders.sort(dim=1).values, torch.arange(size).expand(20, -1))
    assert ((orders != order).sum(dim=1)[1:] == 2).all()


def test_one_patch_alone_has_nothing_to_be_exchanged_with() -> None:
    assert with_swaps(torch.tensor([0]), 3, torch.Generator()).tolist() == [[0], [0], [0]]
    assert with_swaps(torch.tensor([1, 0]), 1, torch.Generator()).tolist() == [[1, 0]]


def test_every_pair_is_exchanged_as_often() -> None:
    # The false-alarm rate is 0.001.
    orders = with_swaps(torch.arange(5), 5_001, torch.Generator().manual_seed(0))[1:]
    pairs = Counter(tuple((order != torch.arange(5)).nonzero().flatten().tolist()) for order in orders)
    assert len(pairs) == 10
    assert chisquare(list(pairs.values())).pvalue > 1e-3


def test_the_policy_draws_one_order_and_its_neighbours() -> None:
    indices = build([3, 1, 0, 2, 4]).propose(PatchSequence(torch.zeros(12, 5, 1), Grid(1, 5))).order.indices
    assert indices.shape == (6, 5)
    assert ((indices != indices[0]).sum(dim=1) == torch.tensor([0, 2, 2, 2, 2, 2])).all()


def test_the_gradient_is_that_of_the_expected_reward_among_them() -> None:
    # Log-probabilities log 1, log 2, log 5 make shares 1/8, 2/8, 5/8; rewards 4, 0, 8 have a mean of 5.5 under them.
    # The gradient of that mean with respect to a log-probability is share x (reward - mean).
    log_prob = torch.tensor([1.0, 2.0, 5.0]).log().sub(9).requires_grad_()
    order = Order(torch.stack([torch.arange(3)] * 3), groups=torch.arange(3))
    policy_loss(build([0, 1, 2]), Proposal(order, log_prob=log_prob), torch.tensor([4.0, 0.0, 8.0])).backward()
    assert log_prob.grad is not None
    expected = [1 / 8 * (4 - 5.5), 2 / 8 * (0 - 5.5), 5 / 8 * (8 - 5.5)]
    assert (-log_prob.grad).tolist() == pytest.approx(expected)
    assert math.fsum(expected) == pytest.approx(0)
