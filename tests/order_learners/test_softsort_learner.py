"""The SoftSort learner: phases, planted orders, and patches that are exchangeable by construction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from policies import move, policy_of, propose_one
from reorder_kit.interfaces import PatchSequence, Progress
from reorder_kit.order_learners.softsort import SoftSort, SoftSortPolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

BOTH = [{}, {"straight_through": True}]
both = pytest.mark.parametrize("options", BOTH, ids=["mixture", "straight-through"])
both_in_time = pytest.mark.parametrize(
    "options",
    [{}, pytest.param({"straight_through": True}, marks=pytest.mark.slow)],
    ids=["mixture", "straight-through"],
)


def build(start: Order, **options: Any) -> SoftSortPolicy:
    """A policy that searches from the first step on."""
    learner = SoftSort(SoftSort.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def constant(temperature: float) -> dict[str, Any]:
    return {"shape": "constant", "peak": temperature}


def at(step: int, steps: int = 1000) -> Progress:
    return Progress(step, steps_per_epoch=1, epochs=steps)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def sequence(patches: Tensor) -> PatchSequence:
    return PatchSequence(patches, Grid(1, patches.shape[1]))


# --- Scores and matrix


def test_scores_are_a_slot_apart_along_the_start() -> None:
    assert build(Order([2, 0, 3, 1])).scores.tolist() == [2.0, 0.0, 3.0, 1.0]


def test_the_temperature_is_in_slots() -> None:
    # With this temperature a patch weighs 2^-d in a slot that is d slots away. Patch 2 stands first, then 0, then 1.
    policy = build(Order([2, 0, 1]), temperature=constant(1 / math.log(2)))
    move(policy, at(0))
    expected = torch.tensor([[2, 1, 4], [4, 2, 2], [2, 4, 1]]) / torch.tensor([[7], [8], [7]])
    torch.testing.assert_close(policy.soft_permutation().matrix, expected)


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (50.0, 0.0), (1.0, 300.0)])
def test_neither_scale_nor_level_of_the_scores_changes_the_matrix(scale: float, shift: float) -> None:
    policy = build(shuffled(12), temperature=constant(0.7))
    move(policy, at(0))
    before = policy.soft_permutation().matrix.detach()
    policy.scores.data.mul_(scale).add_(shift)
    torch.testing.assert_close(policy.soft_permutation().matrix, before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("patches", [1, 2, 5])
def test_equal_scores_have_a_finite_gradient(patches: int) -> None:
    policy = build(shuffled(patches))
    policy.scores.data.fill_(3.0)
    move(policy, at(1))
    weights = torch.randn(patches, patches, generator=torch.Generator().manual_seed(0))
    (policy.soft_permutation().matrix * weights).sum().backward()
    assert policy.scores.grad is not None
    assert policy.scores.grad.isfinite().all()


# --- Phases


@both
def test_the_start_is_kept_then_softened_then_hardened(options: dict[str, Any]) -> None:
    policy = build(shuffled(9), warmup_epochs=4, search_epochs=3, **options)
    for step in range(12):
        move(policy, at(step))
        proposal = propose_one(policy)
        assert policy.phase == ("warm-up" if step < 4 else "search" if step < 7 else "hardened")
        assert (proposal.soft is not None) == (policy.phase == "search")
        assert proposal.order == policy.best_order() == (shuffled(9) if step < 7 else shuffled(9, seed=1))
        if step == 6:
            policy.scores.data.copy_(build(shuffled(9, seed=1)).scores.data)


def test_a_mixture_is_soft_in_the_forward_pass_and_straight_through_is_hard() -> None:
    patches = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    moved = {}
    for options in BOTH:
        learner = SoftSort(SoftSort.Options(warmup_epochs=0, search_epochs=9, temperature=constant(1.0), **options))
        policy = policy_of(learner, shuffled(6), Grid(2, 3), dim=3)
        move(policy, at(1))
        proposal = policy.propose(sequence(patches))
        is_exact = bool(options)
        assert proposal.is_exact == is_exact
        assert policy.mixes == (not is_exact)
        moved[is_exact] = proposal.apply(sequence(patches)).patches
        moved[is_exact].square().sum().backward()
        assert policy.scores.grad is not None
        assert policy.scores.grad.abs().max() > 1e-3
    torch.testing.assert_close(moved[True], shuffled(6).apply(patches))
    torch.testing.assert_close(moved[False], policy.soft_permutation().matrix @ patches)
    assert (moved[True] - moved[False]).abs().max() > 0.1


def test_the_matrix_sharpens_over_the_search() -> None:
    policy = build(shuffled(20), temperature={"shape": "exponential", "initial": 2.0, "final": 0.05}, search_epochs=50)
    move(policy, at(0))
    wide = policy.metrics()
    move(policy, at(49))
    sharp = policy.metrics()
    assert wide["temperature"] == 2.0
    assert sharp["temperature"] == pytest.approx(0.05)
    assert wide["entropy"] > 1 > 1e-3 > sharp["entropy"]
    move(policy, at(60))
    assert policy.metrics() == {"temperature": 0.0, "entropy": 0.0}


# --- Learning


def learn(policy: SoftSortPolicy, hidden: Order, steps: int) -> None:
    """The squared distance of each patch from its hidden slot: linear in the matrix, so both ways share a gradient."""
    size = hidden.num_slots
    cost = (torch.arange(float(size)).unsqueeze(1) - hidden.rank).square() / size
    optimizer = policy.build_optimizer()
    for step in range(steps):
        move(policy, at(step, steps))
        shares = propose_one(policy).apply(sequence(torch.eye(size).unsqueeze(0))).patches
        optimizer.zero_grad()
        (shares * cost).mean().backward()
        optimizer.step()


@both
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_a_planted_order_is_found(options: dict[str, Any], seed: int) -> None:
    # At first a slot sees half of all patches, so that none is trapped behind its neighbors.
    hidden, schedule = shuffled(8, 100 + seed), {"shape": "exponential", "initial": 4.0, "final": 0.2}
    policy = build(shuffled(8, seed), search_epochs=250, temperature=schedule, lr=0.1, **options)
    learn(policy, hidden, steps=250)
    assert policy.best_order() == hidden


@both_in_time
def test_the_defaults_come_near_a_planted_order(options: dict[str, Any]) -> None:
    found = []
    for seed in range(4):
        hidden = shuffled(8, 100 + seed)
        policy = build(shuffled(8, seed), search_epochs=250, **options)
        before = policy.best_order().kendall_tau(hidden)
        learn(policy, hidden, steps=250)
        found.append(policy.best_order().kendall_tau(hidden))
        assert found[-1] > before
    assert np.mean(found) > 0.8


# --- Null test

SEEDS = 48


def movements(options: dict[str, Any], signal: float = 0.0) -> np.ndarray:
    """How far the score of every patch moves while a GRU is trained on noise with random labels, for every seed.

    Patches are drawn alike and every seed starts from another order, so that nothing tells one patch from another;
    unless ``signal`` puts the label into patch 4.
    """
    found = []
    for seed in range(SEEDS):
        policy = build(shuffled(9, seed), search_epochs=8, temperature=constant(0.7), lr=0.1, **options)
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(8, 24, 9, 4, generator=generator)
        labels = torch.randint(3, (8, 24), generator=generator)
        images[:, :, 4, :3] += signal * nn.functional.one_hot(labels, 3)
        found.append(movement(policy, images, labels, seed))
    return np.stack(found)


def movement(policy: SoftSortPolicy, images: Tensor, labels: Tensor, seed: int) -> np.ndarray:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        cell, head = nn.GRU(4, 8, batch_first=True), nn.Linear(8, 3)
    weights = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=0.02, fused=True)
    optimizer = policy.build_optimizer()
    before = policy.scores.detach().clone()
    for step, (patches, label) in enumerate(zip(images, labels, strict=True)):
        move(policy, at(step, len(images)))
        states, _ = cell(propose_one(policy).apply(sequence(patches)).patches)
        weights.zero_grad()
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(states[:, -1]), label).backward()
        weights.step()
        optimizer.step()
    return (policy.scores.detach() - before).double().numpy()


def p_value_of_alike(moved: np.ndarray) -> float:
    """Exact if patches are exchangeable: how often do shuffled patches differ as much in their means?"""
    generator = np.random.default_rng(0)

    def spread(values: np.ndarray) -> float:
        return float(values.mean(axis=0).var())

    larger = sum(spread(generator.permuted(moved, axis=1)) >= spread(moved) for _ in range(1999))
    return (1 + larger) / 2000


@both_in_time
def test_scores_of_exchangeable_patches_move_alike(options: dict[str, Any]) -> None:
    # The false-alarm rate is 0.002 for each: 0.001 for direction and for distance.
    moved = movements(options)
    assert np.abs(moved).max() > 0.05  # they do move
    assert p_value_of_alike(moved) > 1e-3
    assert p_value_of_alike(np.abs(moved)) > 1e-3


def test_the_test_of_exchangeable_patches_notices_one_that_is_not() -> None:
    moved = movements({}, signal=4.0)
    assert min(p_value_of_alike(moved), p_value_of_alike(np.abs(moved))) < 1e-3
