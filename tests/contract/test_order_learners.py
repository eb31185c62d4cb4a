"""What every order-learner that comes with reorder-kit promises, from every starting order."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from reorder_kit import order_learners, orderings
from reorder_kit.errors import ReorderKitError
from reorder_kit.grid import Grid
from reorder_kit.interfaces import (
    ComponentOptions,
    LearnerContext,
    Ordering,
    OrderLearner,
    PatchSequence,
    Policy,
    Progress,
    Proposal,
)
from reorder_kit.order_file import OrderFile
from reorder_kit.patch_order import Order

# Further options to hold the promises with, by recipe name; the defaults are always among them.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "diffsort": [
        {"network": "bitonic", "distribution": "optimal"},
        {"distribution": "logistic", "straight_through": True},
    ],
    "evolution": [{"candidates": 6, "parents": 5, "crossover": 1.0, "explore_share": 0.0, "screen_images": 4}],
    "gumbel-sinkhorn": [
        {"straight_through": True, "samples": 3},
        {"samples": 2, "explore_share": 0.2},
        {"noise": {"shape": "constant", "peak": 0}, "start_strength": 0.1, "max_iterations": 3},
    ],
    "neuralsort": [{"straight_through": True}],
    "random-search": [{"groups": 3, "candidates": 2, "explore_share": 0.0, "warmup_epochs": 2.0}],
    "reinforce": [
        {"granularity": "image", "baseline": "ema"},
        {"groups": 3, "baseline": "none", "optimizer": "sgd", "entropy_bonus": 0.1, "compat": "released"},
        {"distribution": "successors", "normalize_advantage": True, "reuse": 2, "optimizer": "natural"},
        {"proposals": "swaps", "normalize_advantage": True},
        {"distribution": "successors", "proposals": "swaps", "granularity": "image"},
        {"control_variate": "relax"},
    ],
    "segment-search": [{"guide_steps": 1, "finalists": 1, "explore_share": 0.0, "warmup_epochs": 2.0}],
    "shuffle-softsort": [{"round_steps": 3, "straight_through": True}],
    "softrank": [{"straight_through": True}, {"strength": 2.0}],
    "softsort": [{"straight_through": True}],
    "straight-through": [{"granularity": "image"}],
}
GRIDS = list(map(Grid.parse, ["1x1", "3x5", "8x8", "14x14"]))
BATCHES = [1, 7, 100]
STEPS_PER_EPOCH, EPOCHS = 5, 20
DIM = 3


def shipped(package: ModuleType, hook: str) -> Iterator[Any]:
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not module.name.rpartition(".")[2].startswith("_"):
            yield from getattr(import_module(module.name), hook)()


LEARNERS: dict[str, type[OrderLearner]] = {
    learner.name: learner for learner in shipped(order_learners, "register_order_learners")
}
ORDERINGS: dict[str, type[Ordering]] = {rule.name: rule for rule in shipped(orderings, "register_orderings")}
CASES = [
    pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
    for name in sorted(LEARNERS)
    for options in [{}, *OPTIONS.get(name, [])]
]
every_learner = pytest.mark.parametrize(("name", "options"), CASES)
every_grid = pytest.mark.parametrize("grid", GRIDS, ids=str)
every_ordering = pytest.mark.parametrize("ordering", sorted(ORDERINGS))


@pytest.fixture
def start(ordering: str, grid: Grid, tmp_path: Path) -> Order:
    """The order that the ordering gives for the grid; a shuffle where it is read from a file."""
    options: dict[str, Any] = {}
    if "file" in ORDERINGS[ordering].Options.model_fields:
        options["file"] = tmp_path / "order.json"
        OrderFile("mine", grid, shuffled(grid.num_patches)).save(options["file"])
    return ORDERINGS[ordering](ORDERINGS[ordering].Options(**options)).order(grid)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def build(name: str, options: dict[str, Any], start: Order, grid: Grid | None = None) -> Policy:
    learner = LEARNERS[name](LEARNERS[name].Options(**options))
    return learner.build_policy(LearnerContext(start, grid or Grid(1, start.num_slots), DIM))


def at(step: int) -> Progress:
    return Progress(step, STEPS_PER_EPOCH, EPOCHS, stream=1_000 + step, shared_stream=2_000 + step)


def images(batch: int, patches: int, dtype: torch.dtype = torch.float32) -> PatchSequence:
    noise = torch.randn(batch, patches, DIM, generator=torch.Generator().manual_seed(batch))
    return PatchSequence(noise.to(dtype), Grid(1, patches))


def steps_of(policy: Policy, phase: str) -> list[int]:
    found = []
    for step in range(STEPS_PER_EPOCH * EPOCHS):
        policy.advance(at(step))
        if policy.phase == phase:
            found.append(step)
    return found


def amid_the_search(policy: Policy) -> Progress:
    """The middle of the search, to which the policy is moved."""
    steps = steps_of(policy, "search")
    assert steps, "it never searches"
    progress = at(steps[len(steps) // 2])
    policy.advance(progress)
    return progress


def loss_per_image(proposal: Proposal, sequence: PatchSequence) -> Tensor:
    """A loss of the patches in their slots."""
    moved = proposal.apply(sequence).patches
    weights = torch.randn(moved.shape[1:], generator=torch.Generator().manual_seed(7)).to(moved.dtype)
    return (moved * weights).sum(dim=(1, 2))


def objective(policy: Policy, proposal: Proposal, sequence: PatchSequence) -> Tensor:
    """A loss of the patches in their slots, and the policy's own loss, as in training."""
    per_image = loss_per_image(proposal, sequence)
    return per_image.mean() + policy.loss(proposal, -per_image.detach())


class Trials:
    """What a search is offered: the rewards of proposals on the images of a step. It counts the images it passes."""

    def __init__(self, sequence: PatchSequence, reward: Callable[[Proposal, PatchSequence], Tensor]) -> None:
        self.sequence, self.reward = sequence, reward
        self.images = 0

    def __call__(self, proposal: Proposal, images: int | None = None) -> Tensor:
        tried = self.sequence.with_patches(self.sequence.patches[:images])
        self.images += tried.batch
        return self.reward(proposal, tried).detach()


def learn(policy: Policy, patches: int, steps: range) -> None:
    optimizer = policy.build_optimizer()
    for step in steps:
        policy.advance(at(step))
        sequence = images(7, patches)
        policy.search(Trials(sequence, lambda proposal, tried: -loss_per_image(proposal, tried)))
        loss = objective(policy, policy.propose(sequence), sequence)
        if optimizer is not None and loss.requires_grad:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def assert_valid(proposal: Proposal, batch: int, patches: int) -> None:
    """Every image has every patch once, and shares and probabilities are such."""
    indices = proposal.order.per_image(batch)
    assert indices.shape == (batch, patches)
    assert torch.equal(indices.sort(dim=1).values, torch.arange(patches).expand(batch, -1))
    assert proposal.order.num_patches == patches
    if proposal.soft is not None:
        matrix = proposal.soft.matrix
        assert matrix.isfinite().all()
        assert (matrix > -1e-5).all()
        torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(matrix.shape[:-1]), rtol=0, atol=1e-4)
    if proposal.log_prob is not None:
        assert len(proposal.log_prob) == len(proposal.order.indices)
        assert proposal.log_prob.isfinite().all()
        assert (proposal.log_prob <= 0).all()


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
    assert isinstance(learner().mixes_patches, bool)
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
    policy.advance(at(0))
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
        policy.advance(at(step))
        for sequence in (None, images(3, grid.num_patches)):
            proposal = policy.propose(sequence)
            assert proposal.order == start
            assert proposal.soft is None
            assert not policy.loss(proposal, torch.arange(3.0)).requires_grad


@every_learner
def test_phases_come_in_sequence_and_the_last_one_fixes_the_best_order(name: str, options: dict[str, Any]) -> None:
    policy = build(name, options, shuffled(15))
    phases = [steps_of(policy, phase) for phase in ("warm-up", "search", "hardened")]
    assert [step for steps in phases for step in steps] == list(range(STEPS_PER_EPOCH * EPOCHS))
    learn(policy, 15, range(STEPS_PER_EPOCH * EPOCHS))
    learned = policy.best_order()
    for step in phases[2]:
        policy.advance(at(step))
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
        policy.advance(at(step))
        proposal = policy.propose(sequence)
        assert_valid(proposal, batch, grid.num_patches)
        assert proposal.apply(sequence).patches.shape == sequence.patches.shape
    assert_valid(policy.propose(None), 1, grid.num_patches)


@every_learner
def test_what_is_applied_follows_from_what_is_proposed(name: str, options: dict[str, Any]) -> None:
    policy = build(name, options, shuffled(15))
    amid_the_search(policy)
    sequence = images(7, 15)
    proposal = policy.propose(sequence)
    mixes = LEARNERS[name](LEARNERS[name].Options(**options)).mixes_patches
    assert proposal.is_exact == (not mixes)
    if not mixes:
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
            one.advance(at(step))
            proposals.append(one.propose(sequence))
        assert_same(*proposals)
        losses = [objective(one, proposal, sequence) for one, proposal in zip((policy, fresh), proposals, strict=True)]
        assert torch.equal(*losses)
        assert_same(policy.propose(sequence), fresh.propose(sequence))
    for one in (policy, fresh):
        learn(one, 15, range(amid.step, amid.step + 3))
    torch.testing.assert_close(fresh.state_dict(), policy.state_dict(), rtol=0, atol=0, equal_nan=True)


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
        policy.advance(at(step))
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
    loss = policy.loss(proposal, torch.randn(12, generator=torch.Generator().manual_seed(0)))
    assert (loss != 0 or learns_from_trials(policy)) == LEARNERS[name].uses_reward


def learns_from_trials(policy: Policy) -> bool:
    return type(policy).search is not Policy.search


def searched(policy: Policy, reward: Callable[[Proposal, PatchSequence], Tensor]) -> Order:
    """The best order after a whole search in which trials are rewarded so."""
    for step in steps_of(policy, "search"):
        policy.advance(at(step))
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
        policy.advance(at(step))
        trials = Trials(images(batch, 15), rising)
        policy.search(trials)
        evaluated[policy.phase] += trials.images
    assert evaluated["warm-up"] == evaluated["hardened"] == 0
    declared = LEARNERS[name](LEARNERS[name].Options(**options)).extra_passes(batch)
    passes = evaluated["search"] / batch / len(steps_of(policy, "search"))
    assert 0.9 * declared <= passes <= declared + 1e-9


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_an_order_of_another_grid_is_refused_when_weights_are_loaded(name: str) -> None:
    small, large = build(name, {}, shuffled(6)), build(name, {}, shuffled(8))
    with pytest.raises((RuntimeError, ReorderKitError)):
        large.load_state_dict(small.state_dict())
