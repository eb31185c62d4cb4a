"""Straight-through Plackett-Luce: drawn orders forward, soft gradients backward, planted orders, and a null test."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import chisquare
from torch import Tensor

from policies import move, policy_of, propose_one
from reorder_kit.interfaces import PatchSequence, Progress
from reorder_kit.ops.naive.plackett_luce import plackett_luce_entropy, plackett_luce_log_prob
from reorder_kit.order_learners.straight_through import StraightThrough, StraightThroughPolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

BOTH = [{}, {"granularity": "image"}]
both = pytest.mark.parametrize("options", BOTH, ids=["batch", "image"])


def build(start: Order, **options: Any) -> StraightThroughPolicy:
    """A policy that searches from the first step on."""
    learner = StraightThrough(StraightThrough.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def constant(temperature: float) -> dict[str, Any]:
    return {"shape": "constant", "peak": temperature}


def at(step: int, steps: int = 1000, stream: int | None = None) -> Progress:
    return Progress(step, steps_per_epoch=1, epochs=steps, stream=step if stream is None else stream)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def sequence(patches: Tensor) -> PatchSequence:
    return PatchSequence(patches, Grid(1, patches.shape[1]))


# --- Proposals


def test_scores_are_a_slot_apart_along_the_start() -> None:
    assert build(Order([2, 0, 3, 1])).scores.tolist() == [2.0, 0.0, 3.0, 1.0]


@both
def test_slots_never_mix(options: dict[str, Any]) -> None:
    patches = torch.randn(5, 9, 3, generator=torch.Generator().manual_seed(0))
    policy = build(shuffled(9), temperature=constant(3.0), **options)
    move(policy, at(1))
    proposal = policy.propose(sequence(patches))
    assert proposal.is_exact
    moved = proposal.apply(sequence(patches)).patches
    torch.testing.assert_close(moved, proposal.order.apply(patches))
    moved.square().sum().backward()
    assert policy.scores.grad is not None
    assert policy.scores.grad.abs().max() > 1e-3
    different = len({tuple(order) for order in proposal.order.per_image(5).tolist()})
    assert different == (5 if options else 1)


def test_orders_are_drawn_as_often_as_they_are_probable() -> None:
    # Plackett-Luce of the scores over the temperature; the false-alarm rate of the chi-square test is 0.001.
    policy = build(Order([1, 2, 0]), temperature=constant(1.5), granularity="image")
    move(policy, at(0))
    drawn = [tuple(order) for order in policy.propose(sequence(torch.zeros(6_000, 3, 1))).order.indices.tolist()]
    scaled = [0 / 1.5, 2 / 1.5, 1 / 1.5]
    expected = [6_000 * math.exp(plackett_luce_log_prob(scaled, order)) for order in permutations(range(3))]
    assert chisquare([drawn.count(order) for order in permutations(range(3))], expected).pvalue > 1e-3


def test_the_gradient_is_that_of_the_softly_sorted_draw() -> None:
    # Two patches, whose perturbed scores are d apart, in temperatures: a slot has 1 / (1 + e^-d) of its own patch.
    policy, weights = build(Order([0, 1]), temperature=constant(2.0)), torch.tensor([3.0, -1.0])
    move(policy, at(5))
    generator = torch.Generator().manual_seed(5)
    uniform = torch.rand(2, generator=generator)
    perturbed = torch.tensor([1.0, 0.0]) / 2 - torch.log(-torch.log(uniform))
    (propose_one(policy).apply(sequence(torch.tensor([[[1.0], [0.0]]]))).patches.flatten() * weights).sum().backward()
    gap = float(perturbed[0] - perturbed[1])
    share = 1 / (1 + math.exp(-abs(gap)))
    # The loss is 3 m(0, 0) - m(1, 0); each share moves by share (1 - share) / 2 for each slot of the gap.
    expected = math.copysign(1, gap) * share * (1 - share) / 2 * (3 - -1) * math.copysign(1, gap)
    assert policy.scores.grad is not None
    assert policy.scores.grad.tolist() == pytest.approx([expected, -expected], rel=1e-4)


def test_the_stream_alone_decides_what_is_drawn() -> None:
    orders = []
    for stream in (8, 8, 9):
        policy = build(shuffled(30))
        move(policy, at(2, stream=stream))
        orders.append(propose_one(policy).order)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_temperature_zero_gives_the_best_order_and_a_low_one_stays_near() -> None:
    policy = build(shuffled(30), temperature={"shape": "linear", "initial": 0, "final": 1})
    move(policy, at(0))
    assert propose_one(policy).soft is None
    assert propose_one(policy).order == shuffled(30)
    near = []
    for temperature in (0.05, 1.0, 300.0):
        policy = build(shuffled(30), temperature=constant(temperature))
        move(policy, at(0))
        near.append(propose_one(policy).order.kendall_tau(Order(policy.best_order().indices)))
    assert near[0] > 0.99 > near[1] > 0.6 > near[2]


def test_the_logged_entropy_is_that_of_the_distribution() -> None:
    policy = build(Order([1, 2, 0]), temperature=constant(1.5), granularity="image")
    move(policy, at(0))
    assert policy.metrics() == {"temperature": 1.5, "entropy": 0.0}  # nothing was drawn yet
    policy.propose(sequence(torch.zeros(4_000, 3, 1)))
    scaled = [0 / 1.5, 2 / 1.5, 1 / 1.5]
    expected = sum(
        math.exp(plackett_luce_log_prob(scaled, order)) * plackett_luce_entropy(scaled, order)
        for order in permutations(range(3))
    )
    assert policy.metrics()["entropy"] == pytest.approx(expected, abs=0.01)


def test_a_temperature_that_is_always_zero_is_refused() -> None:
    with pytest.raises(ValidationError, match="no order is drawn"):
        StraightThrough.Options(temperature=constant(0))


# --- Learning


@both
def test_a_planted_order_is_found(options: dict[str, Any]) -> None:
    # The squared distance of each patch from its hidden slot.
    found = []
    for seed in range(4):
        hidden = shuffled(8, 100 + seed)
        cost = (torch.arange(8.0).unsqueeze(1) - hidden.rank).square() / 8
        policy = build(shuffled(8, seed), search_epochs=200, **options)
        optimizer = policy.build_optimizer()
        for step in range(200):
            move(policy, at(step, 200))
            shares = policy.propose(sequence(torch.zeros(4, 8, 1))).apply(sequence(torch.eye(8).expand(4, -1, -1)))
            optimizer.zero_grad()
            (shares.patches * cost).mean().backward()
            optimizer.step()
        found.append(policy.best_order().kendall_tau(hidden))
    assert np.mean(found) > 0.9


# --- Null test


def movements(signal: float = 0.0, seeds: int = 60) -> np.ndarray:
    """How far scores move in 8 steps on patches of noise, for every seed.

    Patches are drawn alike and every seed starts from another order, so that nothing tells one patch from another;
    unless ``signal`` makes patch 4 belong to the front.
    """
    found = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        policy = build(shuffled(9, seed), search_epochs=8, temperature=constant(2.0), lr=0.1)
        optimizer, before = policy.build_optimizer(), policy.scores.detach().clone()
        weights = torch.randn(9, 2, generator=generator)
        for step in range(8):
            patches = torch.randn(6, 9, 2, generator=generator)
            patches[:, 4] -= signal * weights[0]
            move(policy, at(step, 8, stream=1_000 * seed + step))
            optimizer.zero_grad()
            (policy.propose(sequence(patches)).apply(sequence(patches)).patches * weights).sum().backward()
            optimizer.step()
        found.append((policy.scores.detach() - before).double().numpy())
    return np.stack(found)


def p_value_of_alike(moved: np.ndarray) -> float:
    """Exact if patches are exchangeable: how often do shuffled patches differ as much in their means?"""
    generator = np.random.default_rng(0)

    def spread(values: np.ndarray) -> float:
        return float(values.mean(axis=0).var())

    larger = sum(spread(generator.permuted(moved, axis=1)) >= spread(moved) for _ in range(1999))
    return (1 + larger) / 2000


def test_scores_of_exchangeable_patches_move_alike() -> None:
    # The false-alarm rate is 0.002: 0.001 for direction and for distance.
    moved = movements()
    assert np.abs(moved).max() > 0.05  # they do move
    assert p_value_of_alike(moved) > 1e-3
    assert p_value_of_alike(np.abs(moved)) > 1e-3


def test_the_test_of_exchangeable_patches_notices_one_that_is_not() -> None:
    assert p_value_of_alike(movements(signal=3.0)) < 1e-3
