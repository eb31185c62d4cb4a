"""Reused samples: what is stored, and how it is weighted."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from torch import Tensor

from policies import move, policy_loss, policy_of
from reorder_kit.interfaces import PatchSequence, Progress
from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.order_learners._reuse import SampleMemory
from reorder_kit.order_learners.reinforce import Reinforce, ReinforcePolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


def memory_of(batches: int, samples: int, ratio_limit: float = 2.0, size: int = 3) -> SampleMemory:
    return SampleMemory(batches, samples, ratio_limit, Order(list(range(size))[::-1]))


def build(**options: object) -> ReinforcePolicy:
    learner = Reinforce(
        Reinforce.Options(
            **{"warmup_epochs": 0, "search_epochs": 9, "temperature": {"shape": "constant", "peak": 1.0}, **options}
        )
    )
    return policy_of(learner, Order([2, 0, 1, 3]))


def at(step: int) -> Progress:
    return Progress(step, steps_per_epoch=1, epochs=9, stream=step, shared_stream=1_000 + step)


def images(batch: int) -> PatchSequence:
    return PatchSequence(torch.zeros(batch, 4, 1), Grid(1, 4))


def test_the_latest_batches_are_kept() -> None:
    memory = memory_of(2, 2)
    assert memory.orders.tolist() == [[[2, 1, 0]] * 2] * 2
    assert memory.advantage.tolist() == [[0, 0], [0, 0]]
    for value in (1.0, 2.0, 3.0):
        memory.remember(torch.tensor([[0, 1, 2], [1, 0, 2]]), torch.tensor([-value, -8.0]), torch.full((2,), value))
    assert memory.advantage.tolist() == [[3, 3], [2, 2]]
    assert memory.log_prob.tolist() == [[-3, -8], [-2, -8]]
    assert memory.orders.tolist() == [[[0, 1, 2], [1, 0, 2]]] * 2


def test_of_a_batch_with_fewer_samples_all_are_remembered() -> None:
    memory = memory_of(1, 3)
    memory.remember(torch.tensor([[0, 1, 2], [2, 0, 1]]), torch.tensor([-1.0, -2.0]), torch.tensor([5.0, 7.0]))
    assert memory.orders.tolist() == [[[0, 1, 2], [2, 0, 1], [0, 1, 2]]]
    assert memory.log_prob.tolist() == [[-1, -2, -1]]
    assert memory.advantage.tolist() == [[5, 7, 5]]


@pytest.mark.parametrize("normalised", [False, True])
def test_batches_smaller_than_the_groups_are_reused_as_if_the_groups_were_as_few(normalised: bool) -> None:
    few, many = (build(groups=groups, reuse=2, normalize_advantage=normalised) for groups in (2, 8))
    for step in range(4):
        losses = []
        for policy in (few, many):
            move(policy, at(step))
            proposal = policy.propose(images(2))
            policy.logits.data.mul_(0.9)  # or stored samples would keep their old weights
            losses.append(policy_loss(policy, proposal, torch.tensor([1.0, 3.0])))
        torch.testing.assert_close(*losses)
        gradients = [
            torch.autograd.grad(loss, policy.logits)[0] for loss, policy in zip(losses, (few, many), strict=True)
        ]
        torch.testing.assert_close(*gradients)
    assert many.memory is not None
    assert many.memory.advantage.all()


def test_a_sample_weighs_the_ratio_of_its_probabilities_up_to_the_limit() -> None:
    # Equal logits: every order has probability 1/6. Then they had 1/3, 1/6, 1/8, 1/24: 1/2, 1, 4/3 and (4, cut to) 2.
    memory = memory_of(1, 4)
    orders = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1]])
    memory.remember(orders, torch.tensor([1 / 3, 1 / 6, 1 / 8, 1 / 24]).log(), torch.ones(4))
    log_prob, weight = memory.recall(PlackettLuce(torch.zeros(3)))
    assert log_prob.exp().tolist() == [pytest.approx([1 / 6] * 4)]
    assert weight.tolist() == [pytest.approx([1 / 2, 1, 4 / 3, 2])]


def test_it_stays_finite_where_a_sample_was_all_but_impossible() -> None:
    memory = memory_of(1, 1)
    memory.remember(torch.tensor([[0, 1, 2]]), torch.tensor([-1e8]), torch.ones(1))
    assert memory.recall(PlackettLuce(torch.zeros(3)))[1].tolist() == [[2]]


def expected_gradient(logits: Tensor, worth: dict[tuple[int, ...], float]) -> Tensor:
    """Of the mean worth under Plackett-Luce, by enumeration and the definition."""
    logits = logits.detach().double().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for order, value in worth.items():
        weights = logits.exp()[list(order)]
        probability = torch.stack([weights[slot] / weights[slot:].sum() for slot in range(len(order))]).prod()
        total = total + value * probability
    (gradient,) = torch.autograd.grad(total, logits)
    return gradient


def test_the_mean_gradient_of_old_samples_is_that_of_the_present_expected_reward() -> None:
    # Within 4.5 standard errors of 400 draws in each of 4 logits: a false alarm has a rate below 0.0002.
    worth = {order: float(place % 7) - 2 for place, order in enumerate(permutations(range(4)))}
    policy = build(groups=16, reuse=1, ratio_limit=1e6)
    old, new = policy.logits.detach().clone(), torch.tensor([0.2, 0.4, -0.5, -0.6])
    assert policy.memory is not None
    gradients = []
    for draw in range(400):
        drawn = PlackettLuce(old).sample(16, torch.Generator().manual_seed(draw))
        reward = torch.tensor([worth[tuple(order)] for order in drawn.tolist()])
        policy.memory.remember(drawn, PlackettLuce(old).log_prob(drawn), (16 * reward - reward.sum()) / 15)
        policy.logits.data.copy_(new)
        move(policy, at(1))
        proposal = policy.propose(images(16))
        # A new batch with equal rewards adds nothing; the mean over two batches is taken.
        (gradient,) = torch.autograd.grad(policy_loss(policy, proposal, torch.zeros(16)), policy.logits)
        gradients.append(-2 * gradient.double())
    mean, error = torch.stack(gradients).mean(dim=0), torch.stack(gradients).std(dim=0) / math.sqrt(400)
    expected = expected_gradient(new, worth)
    assert ((mean - expected).abs() < 4.5 * error).all()
    # The test would detect unweighted samples.
    assert ((mean - expected_gradient(old, worth)).abs() > 4.5 * error).any()


def test_all_processes_draw_the_same_orders_so_that_averages_are_of_their_rewards() -> None:
    drawn, memories = [], []
    for process, rewards in enumerate(([0.0, 1.0], [4.0, 1.0])):
        policy = build(groups=2, reuse=1)
        move(policy, Progress(1, steps_per_epoch=1, epochs=9, stream=process, shared_stream=7))
        proposal = policy.propose(images(2))
        policy_loss(policy, proposal, torch.tensor(rewards))
        assert policy.memory is not None
        drawn.append(proposal.order)
        memories.append(policy.memory.advantage)
    assert drawn[0] == drawn[1]
    # Mean rewards 2 and 1: each is compared with the other.
    assert ((memories[0] + memories[1]) / 2).tolist() == [[1, -1]]


def test_gradients_can_be_taken_after_a_batch_was_remembered() -> None:
    policy = build(groups=4, reuse=2)
    for step in range(4):
        move(policy, at(step))
        first, second = policy.propose(images(4)), policy.propose(images(4))
        losses = [policy_loss(policy, proposal, torch.arange(4.0)) for proposal in (first, second)]
        (losses[0] + losses[1]).backward()
    assert policy.logits.grad is not None
    assert policy.logits.grad.isfinite().all()
