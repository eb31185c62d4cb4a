"""Segment search: the guide matches its definition, and finds a hidden order, followed or opposed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from policies import move, policy_of
from reorder_kit.interfaces import PatchSequence, Progress, Proposal
from reorder_kit.order_learners.segment_search import SegmentSearch, SegmentSearchPolicy, neighbour_sum
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.soft_permutation import SoftPermutation

STEPS = 240


def build(start: Order, **options: Any) -> SegmentSearchPolicy:
    """A policy that searches from the first step to the last."""
    learner = SegmentSearch(SegmentSearch.Options(**{"search_epochs": STEPS, **options}))
    return policy_of(learner, start)


def at(step: int) -> Progress:
    return Progress(step, 1, STEPS, stream=step, shared_stream=1000 + step)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def sequence_of(batch: int, patches: int, dim: int = 3) -> PatchSequence:
    noise = torch.randn(batch, patches, dim, generator=torch.Generator().manual_seed(batch))
    return PatchSequence(noise, Grid(1, patches))


def loss_of(moved: Tensor) -> Tensor:
    """A loss that is not linear in the content of slots."""
    return (moved[:, 1:] * moved[:, :-1].tanh()).sum(dim=(1, 2)).square().mean()


# --- The guide


def test_the_sum_over_neighbouring_slots() -> None:
    rows = torch.tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    assert neighbour_sum(rows).tolist() == [[10.0, 20.0], [101.0, 202.0], [10.0, 20.0]]
    assert neighbour_sum(rows[:1]).tolist() == [[0.0, 0.0]]


def test_the_guide_is_minus_the_gradient_in_the_slots_beside_a_patch() -> None:
    policy, sequence = build(shuffled(5), explore_share=0.0), sequence_of(4, 5)
    move(policy, at(0))
    optimizer = policy.build_optimizer()
    loss_of(policy.propose(sequence).apply(sequence).patches).backward()
    optimizer.step()

    order = policy.best_order().indices.tolist()
    matrix = SoftPermutation.from_order(policy.best_order()).matrix.requires_grad_()
    loss_of(matrix @ sequence.patches).backward()
    assert matrix.grad is not None
    expected = torch.zeros(5, 5)
    for slot, patch in enumerate(order):
        for beside in (slot - 1, slot + 1):
            if 0 <= beside < 5:
                expected[patch] -= matrix.grad[beside]
    torch.testing.assert_close(policy.guide.detach(), expected / (12.5 * 5**0.5))


def test_the_guide_is_a_running_mean_over_steps_in_different_orders() -> None:
    policy = build(shuffled(6), explore_share=0.5, guide_steps=4)
    optimizer = policy.build_optimizer()
    expected = torch.zeros(6, 6)
    orders = set()
    for step in range(6):
        move(policy, at(step))
        sequence = sequence_of(step + 1, 6)
        proposal = policy.propose(sequence)
        orders.add(tuple(proposal.order.indices.tolist()))
        optimizer.zero_grad()
        loss_of(proposal.apply(sequence).patches).backward()
        assert policy.guide.grad is not None
        expected = 0.75 * expected - 0.25 * policy.guide.grad
        optimizer.step()
    assert len(orders) == 6
    torch.testing.assert_close(policy.guide.detach(), expected)


@pytest.mark.parametrize(("patches", "steps"), [(16, 50), (64, 100)])
def test_the_more_patches_the_longer_the_mean(patches: int, steps: int) -> None:
    (group,) = build(Order.identity(patches)).build_optimizer().param_groups
    assert group["lr"] == pytest.approx(1 / steps)


def test_what_is_proposed_is_exactly_a_hard_order_whatever_the_guide() -> None:
    policy, sequence = build(shuffled(7), explore_share=0.0), sequence_of(3, 7)
    policy.guide.data.normal_(generator=torch.Generator().manual_seed(0))
    move(policy, at(0))
    proposal = policy.propose(sequence)
    assert proposal.is_exact
    assert torch.equal(proposal.apply(sequence).patches, shuffled(7).apply(sequence.patches))


def test_attraction_is_mutual_and_blind_to_what_a_slot_gains_from_any_patch() -> None:
    policy = build(Order.identity(3))
    policy.guide.data = torch.tensor([[0.0, 3.0, 0.0], [1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    # Rows less their means: -1 2 -1, 0 -1 1, 0 0 0.
    expected = torch.tensor([[0.0, 2.0, -1.0], [2.0, 0.0, 1.0], [-1.0, 1.0, 0.0]])
    torch.testing.assert_close(policy.attraction(), expected.double())
    policy.guide.data += torch.tensor([[5.0], [-7.0], [100.0]])
    torch.testing.assert_close(policy.attraction(), expected.double(), atol=1e-4, rtol=0)


def test_a_guide_that_is_no_number_makes_random_moves() -> None:
    policy = build(shuffled(6), explore_share=0.0)
    policy.guide.data.fill_(float("nan"))
    move(policy, at(0))
    policy.search(lambda proposal, images=None: torch.zeros(4))
    assert policy.best_order() == shuffled(6)


def test_orders_are_random_at_first_and_then_the_best() -> None:
    policy = build(shuffled(30), explore_share=0.25, search_epochs=40)
    for step in range(STEPS):
        move(policy, at(step))
        proposal = policy.propose(sequence_of(4, 30))
        assert (proposal.order == shuffled(30)) == (step >= 10)
        assert (proposal.soft is None) == (step >= 40)


# --- A planted chain


class Chain:
    """Signs, whose class is the sign of the sum of products of neighbors in a hidden order, and a model of that.

    Args:
        patches: an even number.
        bent: the model reads signs correctly, but its slope there is that of the opposite sign.
    """

    def __init__(self, patches: int, bent: bool) -> None:
        self.hidden, self.bent = shuffled(patches, seed=1).indices, bent
        self.generator = torch.Generator().manual_seed(2)
        self.patches = patches

    def draw(self, batch: int) -> None:
        self.signs = torch.randint(0, 2, (batch, self.patches, 1), generator=self.generator) * 2.0 - 1.0
        self.classes = (self._sum(self.signs[:, self.hidden]) > 0).float()

    def losses(self, proposal: Proposal, images: int | None = None) -> Tensor:
        moved = proposal.apply(PatchSequence(self.signs[:images], Grid(1, self.patches))).patches
        if self.bent:
            moved = 2 * moved - moved**3
        logits = 0.5 * self._sum(moved)
        return F.binary_cross_entropy_with_logits(logits, self.classes[:images], reduction="none")

    def rewards(self, proposal: Proposal, images: int | None = None) -> Tensor:
        return -self.losses(proposal, images).detach()

    def restored(self, order: Order) -> int:
        rank = order.rank[self.hidden]
        return int(((rank[1:] - rank[:-1]).abs() == 1).sum())

    @staticmethod
    def _sum(signs: Tensor) -> Tensor:
        return (signs[:, 1:] * signs[:, :-1]).sum(dim=(1, 2))


def restored_after(steps: int, bent: bool, has_a_guide: bool) -> int:
    """How many of the 15 hidden neighbors are adjacent after some steps of a search."""
    chain, policy = Chain(16, bent), build(shuffled(16, seed=4))
    optimizer = policy.build_optimizer()
    for step in range(steps):
        chain.draw(256)
        move(policy, at(step))
        policy.search(chain.rewards)
        optimizer.zero_grad()
        chain.losses(policy.propose(PatchSequence(chain.signs, Grid(1, 16)))).mean().backward()
        if has_a_guide:
            optimizer.step()
    return chain.restored(policy.best_order())


@pytest.mark.parametrize("bent", [False, True])
def test_it_finds_a_hidden_chain_whichever_way_the_gradient_points(bent: bool) -> None:
    assert restored_after(100, bent, has_a_guide=True) == 15


def test_without_a_guide_it_is_slower() -> None:
    assert restored_after(100, bent=False, has_a_guide=False) < 12
