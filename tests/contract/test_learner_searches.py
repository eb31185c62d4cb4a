"""What every order-learner that comes with reorder-kit promises of its search: what moves it, in finite numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from learner_cases import (
    BATCHES,
    EPOCHS,
    LEARNERS,
    STEPS_PER_EPOCH,
    Trials,
    amid_the_search,
    assert_valid,
    at,
    build,
    every_grid,
    every_learner,
    images,
    learn,
    learns_from_trials,
    loss_per_image,
    objective,
    shuffled,
    steps_of,
)
from policies import move, policy_loss
from reorder_kit.interfaces import (
    PatchSequence,
    Policy,
    Proposal,
)
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


@pytest.mark.parametrize("batch", BATCHES)
@every_grid
@every_learner
def test_the_loss_reaches_the_parameters_during_the_search(
    name: str, options: dict[str, Any], grid: Grid, batch: int
) -> None:
    policy = build(name, options, shuffled(grid.num_patches), grid)
    amid_the_search(policy)
    sequence = images(batch, grid.num_patches)
    loss = objective(policy, policy.propose(sequence), sequence)
    assert loss.shape == ()
    assert loss.isfinite()
    if not list(policy.parameters()):
        assert learns_from_trials(policy)
        assert policy.build_optimizer() is None
        return
    loss.backward()
    for parameter in policy.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        if grid.num_patches > 1 and batch > 1:  # one sample alone may have nothing to be compared with
            assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("patches", [1, 2, 17, 64])
@pytest.mark.parametrize("autocast", [False, True], ids=["fp32", "bf16-autocast"])
@every_learner
def test_no_temperature_gives_nan(
    name: str, options: dict[str, Any], patches: int, temperature: float, autocast: bool
) -> None:
    assert_finite_steps(name, options, patches, temperature, autocast, steps=3)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1e-4, 1e4])
@pytest.mark.parametrize("autocast", [False, True], ids=["fp32", "bf16-autocast"])
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_nor_does_it_with_a_thousand_patches(name: str, temperature: float, autocast: bool) -> None:
    assert_finite_steps(name, {}, 1024, temperature, autocast, steps=1)


def assert_finite_steps(
    name: str, options: dict[str, Any], patches: int, temperature: float, autocast: bool, steps: int
) -> None:
    fields = LEARNERS[name].Options.model_fields
    if "temperature" in fields:
        options = {**options, "temperature": {"shape": "constant", "peak": temperature}}
    policy = build(name, options, shuffled(patches))
    progress = amid_the_search(policy)
    optimizer = policy.build_optimizer()
    for step in range(progress.step, progress.step + steps):
        move(policy, at(step))
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            sequence = images(5, patches, torch.bfloat16 if autocast else torch.float32)
            proposal = policy.propose(sequence)
            assert_valid(proposal, 5, patches)
            assert proposal.apply(sequence).patches.isfinite().all()
            loss = objective(policy, proposal, sequence)
            trials = Trials(sequence, lambda proposal, tried: -loss_per_image(proposal, tried))
            policy.search(trials)
        assert loss.isfinite()
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert all(parameter.isfinite().all() for parameter in policy.parameters())


@every_learner
def test_metrics_are_finite_numbers_in_every_phase(name: str, options: dict[str, Any]) -> None:
    policy = build(name, options, shuffled(15))
    for step in range(0, STEPS_PER_EPOCH * EPOCHS, 7):
        learn(policy, 15, range(step, step + 1))
        for metric, value in policy.metrics().items():
            assert type(value) is float, metric
            assert abs(value) < 1e9, metric


@every_learner
def test_a_learner_that_uses_the_reward_hangs_on_it_and_no_other_does(name: str, options: dict[str, Any]) -> None:
    policy = build(name, options, shuffled(15))
    amid_the_search(policy)
    proposal = policy.propose(images(12, 15))
    loss = policy_loss(policy, proposal, torch.randn(12, generator=torch.Generator().manual_seed(0)))
    assert (loss != 0 or learns_from_trials(policy)) == LEARNERS[name].uses_reward


def searched(policy: Policy, reward: Callable[[Proposal, PatchSequence], Tensor]) -> Order:
    """The best order after a whole search in which trials are rewarded so."""
    for step in steps_of(policy, "search"):
        move(policy, at(step))
        policy.search(Trials(images(12, 15), reward))
    return policy.best_order()


@every_learner
def test_the_best_order_follows_the_reward_of_trials_and_nothing_else(name: str, options: dict[str, Any]) -> None:
    start, hidden = shuffled(15), shuffled(15, seed=1)
    noise = torch.randn(12, generator=torch.Generator().manual_seed(0))

    def ignores_the_order(proposal: Proposal, tried: PatchSequence) -> Tensor:
        return noise[: tried.batch]

    def likes_an_order(proposal: Proposal, tried: PatchSequence) -> Tensor:
        return noise[: tried.batch] + proposal.order.kendall_tau(hidden)

    assert searched(build(name, options, start), ignores_the_order) == start
    policy = build(name, options, start)
    gained = searched(policy, likes_an_order).kendall_tau(hidden) - start.kendall_tau(hidden)
    assert gained > 0.2 if learns_from_trials(policy) else gained == 0


@pytest.mark.parametrize("batch", [7, 100])
@every_learner
def test_a_search_evaluates_as_many_images_as_the_learner_declares(
    name: str, options: dict[str, Any], batch: int
) -> None:
    policy = build(name, options, shuffled(15))
    evaluated = dict.fromkeys(("warm-up", "search", "hardened"), 0)
    rewards = iter(range(1_000_000))  # every trial does better than all before: nothing is left out

    def rising(proposal: Proposal, tried: PatchSequence) -> Tensor:
        return torch.full((tried.batch,), float(next(rewards)))

    for step in range(STEPS_PER_EPOCH * EPOCHS):
        move(policy, at(step))
        trials = Trials(images(batch, 15), rising)
        policy.search(trials)
        evaluated[policy.phase] += trials.images
    assert evaluated["warm-up"] == evaluated["hardened"] == 0
    declared = LEARNERS[name](LEARNERS[name].Options(**options)).extra_passes(batch)
    passes = evaluated["search"] / batch / len(steps_of(policy, "search"))
    assert 0.9 * declared <= passes <= declared + 1e-9
