"""The Gumbel-Sinkhorn learner: logits, noise, planted orders, and patches that are exchangeable by construction."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import gumbel_r, kstest
from torch import Tensor, nn

from policies import move, policy_of, propose_one
from reorder_kit.benchmark.learner_options import CHOSEN
from reorder_kit.interfaces import PatchSequence, Progress
from reorder_kit.ops.naive import sinkhorn as naive
from reorder_kit.order_learners.gumbel_sinkhorn import GumbelSinkhorn, GumbelSinkhornPolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

BOTH: list[dict[str, Any]] = [{}, {"straight_through": True}]
both = pytest.mark.parametrize("options", BOTH, ids=["mixture", "straight-through"])
NO_NOISE = {"shape": "constant", "peak": 0.0}


def build(start: Order, **options: Any) -> GumbelSinkhornPolicy:
    """A policy that searches from the first step on."""
    learner = GumbelSinkhorn(GumbelSinkhorn.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def constant(value: float) -> dict[str, Any]:
    return {"shape": "constant", "peak": value}


def at(step: int, steps: int = 1000, stream: int = 0) -> Progress:
    return Progress(step, steps_per_epoch=1, epochs=steps, stream=stream or 100 + step)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def sequence(patches: Tensor) -> PatchSequence:
    return PatchSequence(patches, Grid(1, patches.shape[1]))


# --- Logits and matrix


def test_the_start_has_an_advantage_in_its_slots() -> None:
    policy = build(Order([2, 0, 1]), start_strength=1.5)
    assert policy.logits.tolist() == [[0.0, 0.0, 1.5], [1.5, 0.0, 0.0], [0.0, 1.5, 0.0]]


def test_without_noise_the_matrix_is_that_of_the_logits() -> None:
    # e^(ln 6 / 2) is the square root of 6; every row and column holds it once, and ones.
    policy = build(Order([2, 0, 1]), start_strength=math.log(6), temperature=constant(2.0), noise=NO_NOISE)
    move(policy, at(0))
    high, low = math.sqrt(6) / (math.sqrt(6) + 2), 1 / (math.sqrt(6) + 2)
    expected = torch.tensor([[low, low, high], [high, low, low], [low, high, low]])
    torch.testing.assert_close(policy.soft_permutation().matrix, expected)


def test_noise_temperature_and_iterations_are_those_of_the_options() -> None:
    policy = build(shuffled(6), temperature=constant(0.7), noise=constant(0.4), max_iterations=3, tolerance=0)
    move(policy, at(5))
    perturbed = policy.perturbed_logits(1)[0]
    assert (perturbed - policy.logits).abs().max() > 0.1
    expected = torch.tensor(naive.sinkhorn(perturbed.tolist(), 0.7, 3))
    torch.testing.assert_close(policy.soft_permutation().matrix, expected, rtol=1e-4, atol=1e-6)


def test_the_tolerance_ends_the_iterations() -> None:
    residuals = []
    for tolerance in (0.3, 1e-3):
        policy = build(shuffled(12), temperature=constant(0.3), noise=constant(1.0), tolerance=tolerance)
        move(policy, at(0))
        residuals.append(policy.metrics()["residual"])
        assert residuals[-1] < tolerance
    assert residuals[0] > 1e-3


def test_the_best_order_is_the_limit_of_the_matrix_and_not_its_nearest_order() -> None:
    # The sums are 2.4 along the identity and 2 along the other order; at a high temperature, too.
    policy = build(Order([1, 0]))
    policy.logits.data.copy_(torch.tensor([[2.4, 2.0], [0.0, 0.0]]))
    for temperature in (1e-3, 1.0, 1e3):
        assert policy.best_order() == Order([0, 1]), temperature
    # The largest logit of all is in neither of the chosen places.
    policy.logits.data.copy_(torch.tensor([[3.0, 2.0], [2.0, 0.5]]))
    assert policy.best_order() == Order([1, 0])


# --- Noise


def test_the_noise_is_gumbel_noise_of_the_scheduled_scale() -> None:
    policy = build(shuffled(100), noise={"shape": "linear", "initial": 3.0, "final": 1.0}, search_epochs=101)
    for step, scale in [(0, 3.0), (50, 2.0), (100, 1.0)]:
        move(policy, at(step))
        noise = (policy.perturbed_logits(1)[0] - policy.logits).detach().flatten().numpy()
        assert kstest(noise / scale, gumbel_r.cdf).pvalue > 1e-3
        assert kstest(noise / (1.1 * scale), gumbel_r.cdf).pvalue < 1e-3  # the test would notice another scale


def test_the_noise_is_another_in_every_step_and_process_and_the_same_within_a_step() -> None:
    policy = build(shuffled(6), noise=constant(1.0))
    seen = []
    for step, stream in [(3, 7), (4, 8), (3, 9), (3, 7)]:
        move(policy, at(step, stream=stream))
        seen.append(policy.perturbed_logits(1)[0].detach())
        assert torch.equal(policy.perturbed_logits(1)[0], seen[-1])
    assert torch.equal(seen[0], seen[3])
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


@both
def test_the_proposed_hard_order_follows_the_noise_and_the_best_order_does_not(options: dict[str, Any]) -> None:
    policy = build(shuffled(6), noise=constant(1.0), **options)
    orders = torch.tensor(list(permutations(range(6))))
    proposed = set()
    for step in range(20):
        move(policy, at(step))
        proposal = propose_one(policy)
        assert proposal.soft is not None
        sums = policy.perturbed_logits(1)[0][torch.arange(6), orders].sum(dim=1)
        assert proposal.order.indices.tolist() == orders[sums.argmax()].tolist()
        assert policy.best_order() == shuffled(6)
        proposed.add(tuple(proposal.order.indices.tolist()))
    assert len(proposed) > 10


def test_no_noise_gives_the_best_order_with_the_matrix() -> None:
    policy = build(shuffled(6), noise=NO_NOISE)
    move(policy, at(1))
    assert propose_one(policy).order == shuffled(6)


def test_every_sample_of_the_noise_has_its_part_of_the_images() -> None:
    policy = build(shuffled(6), samples=3, noise=constant(1.0))
    move(policy, at(2))
    proposal = policy.propose(sequence(torch.randn(8, 6, 1)))
    assert proposal.soft is not None
    of_images = proposal.soft.matrix
    assert of_images.shape == (8, 6, 6)
    assert [first for first in range(8) if torch.equal(of_images[first], of_images[0])] == [0, 3, 6]
    assert [first for first in range(8) if torch.equal(of_images[first], of_images[1])] == [1, 4, 7]
    expected = naive.sinkhorn(policy.perturbed_logits(3)[2].tolist(), policy.temperature, 50)
    torch.testing.assert_close(of_images[5], torch.tensor(expected), rtol=0, atol=5e-3)
    sums = torch.stack(
        [
            policy.perturbed_logits(3)[:, torch.arange(6), order].sum(1)
            for order in map(torch.tensor, permutations(range(6)))
        ]
    )
    best = [list(permutations(range(6)))[place] for place in sums.argmax(0)]
    assert proposal.order.per_image(8).tolist() == [list(best[image % 3]) for image in range(8)]


def test_no_image_goes_without_an_order_where_there_are_more_samples_than_images() -> None:
    policy = build(shuffled(6), samples=5, noise=constant(1.0))
    move(policy, at(2))
    assert policy.propose(sequence(torch.randn(2, 6, 1))).order.per_image(2).shape == (2, 6)


@both
def test_logits_stay_while_the_model_explores(options: dict[str, Any]) -> None:
    policy = build(shuffled(6), search_epochs=11, explore_share=0.5, noise=constant(1.0), **options)
    for step, learns in [(0, False), (4, False), (5, True), (10, True)]:
        move(policy, at(step))
        soft = policy.propose(sequence(torch.randn(4, 6, 1))).soft
        assert soft is not None
        assert soft.matrix.requires_grad == learns, step


def test_samples_without_noise_are_refused() -> None:
    with pytest.raises(ValidationError, match="without noise there is nothing to draw"):
        GumbelSinkhorn.Options(samples=2, noise=NO_NOISE)


# --- Phases


@both
def test_the_start_is_kept_then_softened_then_hardened(options: dict[str, Any]) -> None:
    policy = build(shuffled(9), warmup_epochs=4, search_epochs=3, **options)
    for step in range(12):
        move(policy, at(step))
        proposal = propose_one(policy)
        assert policy.phase == ("warm-up" if step < 4 else "search" if step < 7 else "hardened")
        assert (proposal.soft is not None) == (policy.phase == "search")
        if policy.phase != "search":
            assert proposal.order == policy.best_order() == (shuffled(9) if step < 7 else shuffled(9, seed=1))
        if step == 6:
            policy.logits.data.copy_(build(shuffled(9, seed=1)).logits.data)


def test_a_mixture_is_soft_in_the_forward_pass_and_straight_through_is_hard() -> None:
    patches = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    moved = {}
    for options in BOTH:
        policy = build(shuffled(6), temperature=constant(1.0), **options)
        move(policy, at(1))
        proposal = policy.propose(sequence(patches))
        assert proposal.is_exact == bool(options)
        moved[proposal.is_exact] = proposal.apply(sequence(patches)).patches
        moved[proposal.is_exact].square().sum().backward()
        assert policy.logits.grad is not None
        assert policy.logits.grad.abs().max() > 1e-3
        torch.testing.assert_close(
            moved[proposal.is_exact],
            proposal.order.apply(patches) if options else policy.soft_permutation().matrix @ patches,
        )
    assert (moved[True] - moved[False]).abs().max() > 0.1


def test_metrics_tell_how_sharp_noisy_and_balanced_the_matrix_is() -> None:
    noise = {"shape": "linear", "initial": 0.5, "final": 0.0}
    temperature = {"shape": "exponential", "initial": 2.0, "final": 0.05}
    policy = build(shuffled(20), temperature=temperature, noise=noise, search_epochs=50)
    move(policy, at(0))
    wide = policy.metrics()
    move(policy, at(49))
    sharp = policy.metrics()
    assert (wide["temperature"], wide["noise"]) == (2.0, 0.5)
    assert (sharp["temperature"], sharp["noise"]) == (pytest.approx(0.05), 0.0)
    assert wide["entropy"] > 2 > 1e-3 > sharp["entropy"]
    assert 0 < wide["residual"] <= 1e-3 + 1e-5
    move(policy, at(60))
    assert policy.metrics() == {"temperature": 0.0, "entropy": 0.0, "noise": 0.0, "residual": 0.0}


@pytest.mark.parametrize(
    "options",
    [
        {"start_strength": 0},
        {"max_iterations": 0},
        {"tolerance": -1},
        {"noise": {"initial": -1}},
        {"noise": {"peak": 1}},
        {"nosie": {}},
    ],
    ids=str,
)
def test_options_that_are_wrong_or_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GumbelSinkhorn.Options(**options)


# --- Learning


def learn(policy: GumbelSinkhornPolicy, hidden: Order, steps: int) -> None:
    """The squared distance of each patch from its hidden slot."""
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
def test_a_planted_order_is_found(options: dict[str, Any]) -> None:
    hidden = shuffled(8, 100)
    policy = build(shuffled(8), search_epochs=150, **options)
    learn(policy, hidden, steps=150)
    assert policy.best_order() == hidden


@pytest.mark.slow
@both
def test_the_defaults_come_near_an_order_of_more_patches(options: dict[str, Any]) -> None:
    hidden = shuffled(25, 100)
    policy = build(shuffled(25), search_epochs=150, **options)
    assert policy.best_order().kendall_tau(hidden) < 0.3
    learn(policy, hidden, steps=150)
    assert policy.best_order().kendall_tau(hidden) > 0.9


# --- Null test

SEEDS = 40


def movements(options: dict[str, Any], signal: float = 0.0) -> np.ndarray:
    """How far the expected slot of every patch moves while a GRU learns noise with random labels, for every seed.

    Patches are drawn alike and every seed starts from another order, so that nothing tells one patch from another;
    unless ``signal`` puts the label into patch 4.
    """
    found = []
    for seed in range(SEEDS):
        fixed = {"temperature": constant(0.7), "noise": constant(0.3), "search_epochs": 6, **options}
        policy = build(shuffled(9, seed), **fixed)
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(6, 24, 9, 4, generator=generator)
        labels = torch.randint(3, (6, 24), generator=generator)
        images[:, :, 4, :3] += signal * nn.functional.one_hot(labels, 3)
        found.append(movement(policy, images, labels, seed))
    return np.stack(found)


def expected_slots(policy: GumbelSinkhornPolicy) -> np.ndarray:
    matrix = torch.tensor(naive.sinkhorn(policy.logits.tolist(), 0.7, 10))
    return (torch.arange(len(matrix)).float() @ matrix).double().numpy()


def movement(policy: GumbelSinkhornPolicy, images: Tensor, labels: Tensor, seed: int) -> np.ndarray:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        cell, head = nn.GRU(4, 8, batch_first=True), nn.Linear(8, 3)
    weights = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=0.02, fused=True)
    optimizer = policy.build_optimizer()
    before = expected_slots(policy)
    for step, (patches, label) in enumerate(zip(images, labels, strict=True)):
        move(policy, at(step, len(images), stream=1 + 100 * seed + step))
        states, _ = cell(propose_one(policy).apply(sequence(patches)).patches)
        weights.zero_grad()
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(states[:, -1]), label).backward()
        weights.step()
        optimizer.step()
    return expected_slots(policy) - before


def p_value_of_alike(moved: np.ndarray) -> float:
    """Exact if patches are exchangeable: how often do shuffled patches differ as much in their means?"""
    generator = np.random.default_rng(0)

    def spread(values: np.ndarray) -> float:
        return float(values.mean(axis=0).var())

    larger = sum(spread(generator.permuted(moved, axis=1)) >= spread(moved) for _ in range(1999))
    return (1 + larger) / 2000


# Those of the planted benchmark, but the six steps are all search, and all of them move the logits.
PHASES = ("search", "warmup_epochs", "search_epochs", "explore_share")
CHOSEN_HERE = {name: value for name, value in CHOSEN["gumbel-sinkhorn"]["selection"].items() if name not in PHASES}


@pytest.mark.parametrize(
    "options",
    [{}, *(pytest.param(options, marks=pytest.mark.slow) for options in ({"straight_through": True}, CHOSEN_HERE))],
    ids=["mixture", "straight-through", "chosen"],
)
def test_exchangeable_patches_move_alike(options: dict[str, Any]) -> None:
    # The false-alarm rate is 0.002 for each: 0.001 for direction and for distance.
    moved = movements(options)
    assert np.abs(moved).max() > 0.05  # they do move
    assert p_value_of_alike(moved) > 1e-3
    assert p_value_of_alike(np.abs(moved)) > 1e-3


def test_the_test_of_exchangeable_patches_notices_one_that_is_not() -> None:
    moved = movements({}, signal=4.0)
    assert min(p_value_of_alike(moved), p_value_of_alike(np.abs(moved))) < 1e-3
