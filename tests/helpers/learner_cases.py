"""Every order-learner with several options, and how tests lead them through a run."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from policies import move, policy_loss, policy_of
from reorder_kit import order_learners, orderings
from reorder_kit.interfaces import (
    Ordering,
    OrderLearner,
    PatchSequence,
    Policy,
    Progress,
    Proposal,
)
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

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


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def build(name: str, options: dict[str, Any], start: Order, grid: Grid | None = None) -> Policy:
    learner = LEARNERS[name](LEARNERS[name].Options(**options))
    return policy_of(learner, start, grid, DIM)


def at(step: int) -> Progress:
    return Progress(step, STEPS_PER_EPOCH, EPOCHS, stream=1_000 + step, shared_stream=2_000 + step)


def images(batch: int, patches: int, dtype: torch.dtype = torch.float32) -> PatchSequence:
    noise = torch.randn(batch, patches, DIM, generator=torch.Generator().manual_seed(batch))
    return PatchSequence(noise.to(dtype), Grid(1, patches))


def steps_of(policy: Policy, phase: str) -> list[int]:
    found = []
    for step in range(STEPS_PER_EPOCH * EPOCHS):
        move(policy, at(step))
        if policy.phase == phase:
            found.append(step)
    return found


def amid_the_search(policy: Policy) -> Progress:
    """The middle of the search, to which the policy is moved."""
    steps = steps_of(policy, "search")
    assert steps, "it never searches"
    progress = at(steps[len(steps) // 2])
    move(policy, progress)
    return progress


def loss_per_image(proposal: Proposal, sequence: PatchSequence) -> Tensor:
    """A loss of the patches in their slots."""
    moved = proposal.apply(sequence).patches
    weights = torch.randn(moved.shape[1:], generator=torch.Generator().manual_seed(7)).to(moved.dtype)
    return (moved * weights).sum(dim=(1, 2))


def objective(policy: Policy, proposal: Proposal, sequence: PatchSequence) -> Tensor:
    """A loss of the patches in their slots, and the policy's own loss, as in training."""
    per_image = loss_per_image(proposal, sequence)
    return per_image.mean() + policy_loss(policy, proposal, -per_image.detach())


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
        move(policy, at(step))
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


def learns_from_trials(policy: Policy) -> bool:
    return type(policy).search is not Policy.search
