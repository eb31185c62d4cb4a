"""REINFORCE learns nothing from constant rewards and from rewards of noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from policies import move, policy_loss, policy_of
from reorder_kit.benchmark.learner_options import CHOSEN
from reorder_kit.interfaces import PatchSequence, Progress, Proposal
from reorder_kit.order_learners.reinforce import Reinforce, ReinforcePolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

RECIPES = Path(__file__).parents[2] / "recipes"
HOT = {"shape": "constant", "peak": 1.0}


def build(start: Order, **options: Any) -> ReinforcePolicy:
    """A policy that searches from the first step on."""
    learner = Reinforce(Reinforce.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def images(batch: int, patches: int) -> PatchSequence:
    return PatchSequence(torch.zeros(batch, patches, 1), Grid(1, patches))


def at(step: int, steps: int = 1000, stream: int | None = None) -> Progress:
    """A step of a run with one step per epoch, ``steps`` epochs long."""
    place = step if stream is None else stream
    return Progress(step, steps_per_epoch=1, epochs=steps, stream=place, shared_stream=place)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def train(
    policy: ReinforcePolicy, reward: Callable[[Proposal, int], Tensor], batch: int, steps: int, seed: int = 0
) -> None:
    optimizer = policy.build_optimizer()
    sequence = images(batch, policy.logits.shape[-1])
    for step in range(steps):
        move(policy, at(step, steps, stream=1_000_003 * seed + step))
        proposal = policy.propose(sequence)
        loss = policy_loss(policy, proposal, reward(proposal, step))
        if loss.requires_grad:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def taus(proposal: Proposal, hidden: Order, batch: int) -> Tensor:
    """Kendall's tau of each image's order with a hidden one: agreeing minus disagreeing pairs, over all pairs."""
    rank, hidden_rank = Order(proposal.order.per_image(batch)).rank.float(), hidden.rank.float()
    agree = (rank.unsqueeze(2) - rank.unsqueeze(1)).sign() * (hidden_rank.unsqueeze(1) - hidden_rank).sign()
    size = hidden.num_slots
    return agree.sum(dim=(1, 2)) / (size * (size - 1))


BATCHES = [{"groups": 8}, {"groups": 3}, {"granularity": "image"}]
BASELINES = [{"baseline": "leave-one-out"}, {"baseline": "ema"}, {"proposals": "swaps"}]
PARTS: list[dict[str, Any]] = [
    {"optimizer": "natural", "lr": 1.0},
    {"normalize_advantage": True},
    {"distribution": "successors"},
]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("baseline", BASELINES, ids=str)
@pytest.mark.parametrize("options", BATCHES, ids=str)
@pytest.mark.parametrize("constant", [0.0, -2.3026, 1e4])
def test_a_constant_reward_changes_nothing_exactly(
    options: dict[str, Any], baseline: dict[str, Any], optimizer: str, constant: float
) -> None:
    assert_nothing_changes({**options, **baseline, "optimizer": optimizer}, constant)


@pytest.mark.parametrize("part", PARTS, ids=str)
@pytest.mark.parametrize("baseline", BASELINES, ids=str)
@pytest.mark.parametrize("options", BATCHES, ids=str)
def test_nor_does_it_with_other_parts(options: dict[str, Any], baseline: dict[str, Any], part: dict[str, Any]) -> None:
    if "proposals" in baseline and "optimizer" in part:
        pytest.skip("swaps have no natural gradient")
    assert_nothing_changes({**options, **baseline, **part}, constant=-2.3026)


@pytest.mark.parametrize("options", [{"control_variate": "relax"}, {"reuse": 2}, {"reuse": 1, "groups": 3}], ids=str)
def test_nor_does_it_with_what_is_learned_or_remembered_beside_the_logits(options: dict[str, Any]) -> None:
    assert_nothing_changes(options, constant=-2.3026)


def assert_nothing_changes(options: dict[str, Any], constant: float) -> None:
    # Batches of 8, then an uneven one, one smaller than the groups, and one of a single image.
    policy = build(shuffled(6), temperature=HOT, **options)
    before = policy.logits.detach().clone()
    steps = policy.build_optimizer()
    for step in range(20):
        move(policy, at(step))
        batch = (8, 7, 2, 1)[step % 4]
        proposal = policy.propose(images(batch, 6))
        steps.zero_grad()
        policy_loss(policy, proposal, torch.full((batch,), constant)).backward()
        steps.step()
    assert torch.equal(policy.logits, before)


def test_a_constant_reward_without_a_baseline_does_move_the_policy() -> None:
    policy = build(shuffled(6), baseline="none", temperature=HOT)
    before = policy.logits.detach().clone()
    train(policy, lambda proposal, _: torch.full((8,), -2.3), batch=8, steps=20)
    assert not torch.equal(policy.logits, before)


def recipe_options() -> Iterator[dict[str, Any]]:
    """Options of every recipe that learns by reinforce."""
    for path in sorted(RECIPES.rglob("*.yaml")):
        learner = ((yaml.safe_load(path.read_text()) or {}).get("order") or {}).get("learner") or {}
        if learner.get("name") == "reinforce":
            yield without_phases(learner)


def without_phases(learner: Mapping[str, Any]) -> dict[str, Any]:
    phases = ("name", "warmup_epochs", "search_epochs", "search")
    return {key: value for key, value in learner.items() if key not in phases}


def distinct(options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({Reinforce.Options(**one).model_dump_json(): one for one in reversed(options)}.values())[::-1]


SEEDS = 50


def p_value_of_no_mean(movements: np.ndarray) -> float:
    """Exact if a movement and its opposite are equally probable: how often do random signs give as large a mean?"""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (9999, len(movements)))
    sizes = np.square(signs @ movements).sum(axis=1)
    return float((1 + (sizes >= np.square(movements.sum(axis=0)).sum()).sum()) / 10_000)


def movements_of(options: dict[str, Any], reward_of: Callable[[Proposal, Tensor], Tensor]) -> np.ndarray:
    """How far logits have moved after 30 steps, for every seed. The noise of the reward is skewed, like losses."""
    found = []
    for seed in range(SEEDS):
        policy = build(shuffled(12, seed=99), search_epochs=30, **options)
        before = policy.logits.detach().clone()
        noise = torch.Generator().manual_seed(seed)
        draw = torch.empty(30, 20).exponential_(generator=noise)
        train(policy, lambda proposal, step, draw=draw: reward_of(proposal, -draw[step]), batch=20, steps=30, seed=seed)
        found.append((policy.logits.detach() - before).double().flatten().numpy())
    return np.stack(found)


SUCCESSORS = {"distribution": "successors", "temperature": {"shape": "constant", "peak": 0.2}}
NULL_OPTIONS: list[dict[str, Any]] = [{}, {"granularity": "image"}]
SLOW_NULL_OPTIONS: list[dict[str, Any]] = [
    *(options for options in distinct([{"baseline": "ema"}, *recipe_options()]) if options not in NULL_OPTIONS),
    {**SUCCESSORS, "normalize_advantage": True},
    {"proposals": "swaps"},
    {**SUCCESSORS, "normalize_advantage": True, "optimizer": "natural", "lr": 1.0, "max_kl": 0.02},
    {"reuse": 2},
    {"control_variate": "relax"},
    *distinct([without_phases(chosen) for chosen in CHOSEN["reinforce"].values()]),  # those of the planted benchmark
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [*NULL_OPTIONS, *SLOW_NULL_OPTIONS],
    ids=str,
)
def test_a_reward_of_noise_moves_the_policy_nowhere_on_average(options: dict[str, Any]) -> None:
    # The false-alarm rate is 0.001 for each set of options.
    movements = movements_of(options, lambda proposal, noise: noise)
    assert movements.any()  # it does move
    assert p_value_of_no_mean(movements) > 1e-3


@pytest.mark.slow
def test_the_test_of_noise_notices_a_small_true_reward() -> None:
    hidden = shuffled(12, seed=5)
    movements = movements_of({}, lambda proposal, noise: noise + 2.0 * taus(proposal, hidden, 20))
    assert p_value_of_no_mean(movements) < 1e-3
