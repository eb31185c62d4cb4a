"""The softrank learner: its matrix, planted orders, and patches that are exchangeable by construction."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from policies import move, policy_of, propose_one
from reorder_kit.interfaces import PatchSequence, Progress
from reorder_kit.order_learners.softrank import SoftRank, SoftRankPolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

both = pytest.mark.parametrize("options", [{}, {"straight_through": True}], ids=["mixture", "straight-through"])


def build(start: Order, **options: Any) -> SoftRankPolicy:
    """A policy that searches from the first step on."""
    learner = SoftRank(SoftRank.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def constant(temperature: float) -> dict[str, Any]:
    return {"shape": "constant", "peak": temperature}


def at(step: int, steps: int = 1000) -> Progress:
    return Progress(step, steps_per_epoch=1, epochs=steps)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def sequence(patches: Tensor) -> PatchSequence:
    return PatchSequence(patches, Grid(1, patches.shape[1]))


def matrix_of(policy: SoftRankPolicy) -> Tensor:
    move(policy, at(1))
    return policy.soft_permutation().matrix


# --- Matrix

HALVING = 1 / math.log(2)  # at this temperature a patch weighs 2^-d in a slot that is d slots from its rank


def test_at_a_strength_below_a_slot_the_start_has_hard_ranks() -> None:
    # Patch 2 stands first, then 0, then 1.
    policy = build(Order([2, 0, 1]), temperature=constant(HALVING), strength=0.9 / HALVING)
    expected = torch.tensor([[2, 1, 4], [4, 2, 2], [2, 4, 1]]) / torch.tensor([[7], [8], [7]])
    torch.testing.assert_close(matrix_of(policy), expected)


def test_at_a_strength_of_two_slots_ranks_are_half_a_slot_apart() -> None:
    # Ranks 0.5, 1, 1.5 of patches 2, 0, 1. Slot 0 is 0.5, 1, 1.5 from them, slot 1 is 0.5, 0, 0.5.
    policy = build(Order([2, 0, 1]), temperature=constant(HALVING), strength=2 / HALVING)
    end, middle = torch.tensor([2.0, 2**0.5, 1.0]), torch.tensor([1.0, 2**0.5, 1.0])
    expected = torch.stack([end / end.sum(), middle / middle.sum(), end.flip(0) / end.sum()])
    torch.testing.assert_close(matrix_of(policy)[:, [2, 0, 1]], expected)


def test_only_patches_that_compete_for_slots_learn() -> None:
    policy = build(Order([0, 1, 2, 3]), temperature=constant(1.0), strength=0.5)
    scores = torch.tensor([9.0, 5.2, 5.0, 1.0], requires_grad=True)
    weights = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    gradient = torch.autograd.grad((policy.relax(scores, 1.0) * weights).sum(), scores)[0]
    assert gradient[[0, 3]].tolist() == [0, 0]
    assert float(gradient[1]) == pytest.approx(-float(gradient[2]))
    assert gradient[1].abs() > 0.01


def test_slots_stay_filled_however_unevenly_the_scores_have_drifted() -> None:
    policy = build(shuffled(12), temperature=constant(0.3))
    even = matrix_of(policy).detach()
    policy.scores.data.pow_(1.5)  # gaps from 0.3 to 1.4 slots, all above the strength
    torch.testing.assert_close(matrix_of(policy), even)


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (50.0, 0.0), (1.0, 300.0)])
def test_neither_scale_nor_level_of_the_scores_changes_the_matrix(scale: float, shift: float) -> None:
    policy = build(shuffled(12), temperature=constant(1.7))
    before = matrix_of(policy).detach()
    policy.scores.data.mul_(scale).add_(shift)
    torch.testing.assert_close(matrix_of(policy), before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("patches", [1, 2, 5])
def test_equal_scores_have_a_finite_gradient(patches: int) -> None:
    policy = build(shuffled(patches))
    policy.scores.data.fill_(3.0)
    weights = torch.randn(patches, patches, generator=torch.Generator().manual_seed(0))
    (matrix_of(policy) * weights).sum().backward()
    assert policy.scores.grad is not None
    assert policy.scores.grad.isfinite().all()


# --- Learning


@pytest.mark.parametrize(
    "options",
    [{}, pytest.param({"straight_through": True}, marks=pytest.mark.slow)],
    ids=["mixture", "straight-through"],
)
def test_the_defaults_find_planted_orders(options: dict[str, Any]) -> None:
    # The squared distance of each patch from its hidden slot: linear in the matrix, so both ways share a gradient.
    patches, steps = 16, 300
    for seed in range(2):
        hidden, policy = shuffled(patches, 100 + seed), build(shuffled(patches, seed), search_epochs=steps, **options)
        cost = (torch.arange(float(patches)).unsqueeze(1) - hidden.rank).square() / patches
        optimizer = policy.build_optimizer()
        for step in range(steps):
            move(policy, at(step, steps))
            shares = propose_one(policy).apply(sequence(torch.eye(patches).unsqueeze(0))).patches
            optimizer.zero_grad()
            (shares * cost).mean().backward()
            optimizer.step()
        assert policy.best_order() == hidden


# --- Null test


def learned_scores(start: Order, images: Tensor, labels: Tensor) -> Tensor:
    """The scores after training with a GRU that knows only contents and slots of patches."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cell, head = nn.GRU(4, 8, batch_first=True).double(), nn.Linear(8, 3).double()
    policy = build(start, search_epochs=len(images), temperature=constant(1.5)).double()
    weights = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
    optimizer = policy.build_optimizer()
    for step, (patches, label) in enumerate(zip(images, labels, strict=True)):
        move(policy, at(step, len(images)))
        states, _ = cell(propose_one(policy).apply(sequence(patches)).patches)
        weights.zero_grad()
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(states[:, -1]), label).backward()
        weights.step()
        optimizer.step()
    return policy.scores.detach()


def test_other_names_for_the_patches_change_nothing_but_the_names() -> None:
    # It follows that scores of patches that are exchangeable in the data move with the same distribution.
    generator, renamed = torch.Generator().manual_seed(0), shuffled(9, seed=1)
    images = torch.randn(20, 24, 9, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (20, 24), generator=generator)
    start = shuffled(9)
    scores = learned_scores(start, images, labels)
    assert (scores - build(start).scores).abs().max() > 0.05  # they do move
    # Patch p is now called renamed.rank[p], so that patch q was called renamed.indices[q].
    other = learned_scores(Order(renamed.rank[start.indices]), images[:, :, renamed.indices], labels)
    torch.testing.assert_close(other, scores[renamed.indices], rtol=0, atol=1e-6)
