"""What every order-learner that comes with reorder-kit promises of its proposals, from every starting order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from learner_cases import (
    BATCHES,
    EPOCHS,
    LEARNERS,
    OPTIONS,
    ORDERINGS,
    STEPS_PER_EPOCH,
    amid_the_search,
    assert_valid,
    at,
    build,
    every_grid,
    every_learner,
    images,
    learn,
    objective,
    shipped,
    shuffled,
    steps_of,
)
from policies import move, policy_loss
from reorder_kit import order_learners
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    ComponentOptions,
    Proposal,
)
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile

every_ordering = pytest.mark.parametrize("ordering", sorted(ORDERINGS))


@pytest.fixture
def start(ordering: str, grid: Grid, tmp_path: Path) -> Order:
    """The order that the ordering gives for the grid; a shuffle where it is read from a file."""
    options: dict[str, Any] = {}
    if "file" in ORDERINGS[ordering].Options.model_fields:
        options["file"] = tmp_path / "order.json"
        OrderFile("mine", grid, shuffled(grid.num_patches)).save(options["file"])
    return ORDERINGS[ordering](ORDERINGS[ordering].Options(**options)).order(grid)


def assert_same(one: Proposal, other: Proposal) -> None:
    assert one.order == other.order
    assert (one.soft is None) == (other.soft is None)
    if one.soft is not None and other.soft is not None:
        assert torch.equal(one.soft.matrix, other.soft.matrix)
    assert (one.log_prob is None) == (other.log_prob is None)
    if one.log_prob is not None and other.log_prob is not None:
        assert torch.equal(one.log_prob, other.log_prob)


def test_names_are_distinct() -> None:
    names = [learner.name for learner in shipped(order_learners, "register_order_learners")]
    assert len(names) == len(set(names)) > 0
    assert set(OPTIONS) <= set(names)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_it_says_what_it_is_and_what_its_options_mean(name: str) -> None:
    learner = LEARNERS[name]
    assert learner.__doc__
    assert isinstance(learner.uses_reward, bool)
    assert issubclass(learner.Options, ComponentOptions)
    assert all(field.description for field in learner.Options.model_fields.values())


@every_grid
@every_ordering
@every_learner
def test_the_best_order_of_an_untrained_policy_is_the_start(
    name: str, options: dict[str, Any], start: Order, grid: Grid
) -> None:
    policy = build(name, options, start, grid)
    sequence = images(2, grid.num_patches)
    assert policy.best_order() == policy.best_order(sequence) == start
    move(policy, at(0))
    assert policy.best_order() == start

    other = build(name, options, Order(start.indices.flip(0)), grid)
    other.load_state_dict(policy.state_dict())
    assert other.best_order() == start
    assert policy.to(torch.float64).best_order() == start


@every_grid
@every_learner
def test_the_start_is_proposed_during_warm_up(name: str, options: dict[str, Any], grid: Grid) -> None:
    start = shuffled(grid.num_patches)
    policy = build(name, options, start, grid)
    warmup = steps_of(policy, "warm-up")
    for step in {*warmup[:1], *warmup[-1:]}:
        move(policy, at(step))
        proposal = policy.propose(images(3, grid.num_patches))
        assert proposal.order == start
        assert proposal.soft is None
        assert not policy_loss(policy, proposal, torch.arange(3.0)).requires_grad


@every_learner
def test_phases_come_in_sequence_and_the_last_one_fixes_the_best_order(name: str, options: dict[str, Any]) -> None:
    policy = build(name, options, shuffled(15))
    phases = [steps_of(policy, phase) for phase in ("warm-up", "search", "hardened")]
    assert [step for steps in phases for step in steps] == list(range(STEPS_PER_EPOCH * EPOCHS))
    learn(policy, 15, range(STEPS_PER_EPOCH * EPOCHS))
    learned = policy.best_order()
    for step in phases[2]:
        move(policy, at(step))
        proposal = policy.propose(images(7, 15))
        assert proposal.order == learned
        assert proposal.soft is None


@pytest.mark.parametrize("batch", BATCHES)
@every_grid
@every_learner
def test_proposals_are_valid_orders_of_every_image(name: str, options: dict[str, Any], grid: Grid, batch: int) -> None:
    policy = build(name, options, shuffled(grid.num_patches), grid)
    steps = range(STEPS_PER_EPOCH * EPOCHS) if grid.num_patches < 64 else steps_of(policy, "search")[::9]
    sequence = images(batch, grid.num_patches)
    for step in steps:
        move(policy, at(step))
        proposal = policy.propose(sequence)
        assert_valid(proposal, batch, grid.num_patches)
        assert proposal.apply(sequence).patches.shape == sequence.patches.shape


@every_learner
def test_what_is_applied_follows_from_what_is_proposed(name: str, options: dict[str, Any]) -> None:
    policy = build(name, options, shuffled(15))
    amid_the_search(policy)
    sequence = images(7, 15)
    proposal = policy.propose(sequence)
    assert proposal.is_exact == (not policy.mixes)
    if not policy.mixes:
        torch.testing.assert_close(proposal.apply(sequence).patches, proposal.order.apply(sequence.patches))


@every_learner
def test_all_state_is_in_parameters_and_buffers(name: str, options: dict[str, Any]) -> None:
    policy, fresh = (build(name, options, shuffled(15, seed)) for seed in (0, 1))
    amid = amid_the_search(policy)
    learn(policy, 15, range(amid.step))
    fresh.load_state_dict(policy.state_dict())
    assert fresh.best_order() == policy.best_order()
    for step in (amid.step, amid.step + 1, STEPS_PER_EPOCH * EPOCHS - 1):
        sequence = images(7, 15)
        proposals = []
        for one in (policy, fresh):
            move(one, at(step))
            proposals.append(one.propose(sequence))
        assert_same(*proposals)
        losses = [objective(one, proposal, sequence) for one, proposal in zip((policy, fresh), proposals, strict=True)]
        assert torch.equal(*losses)
        assert_same(policy.propose(sequence), fresh.propose(sequence))
    for one in (policy, fresh):
        learn(one, 15, range(amid.step, amid.step + 3))
    torch.testing.assert_close(fresh.state_dict(), policy.state_dict(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_an_order_of_another_grid_is_refused_when_weights_are_loaded(name: str) -> None:
    small, large = build(name, {}, shuffled(6)), build(name, {}, shuffled(8))
    with pytest.raises((RuntimeError, ReorderKitError)):
        large.load_state_dict(small.state_dict())
