"""A learner without a recipe or a backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import reorder_kit
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.interfaces import Pass, PatchSequence, Proposal
from reorder_kit.model import reward_checks
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.own_loop import LearnedOrder

HOT = {"shape": "constant", "peak": 1.0}
PATCHES = torch.randn(8, 6, 3, generator=torch.Generator().manual_seed(0))


def build(name: str = "reinforce", patches: Any = (2, 3), **options: Any) -> LearnedOrder:
    return reorder_kit.learner(name, patches, **{"epochs": 4, "steps_per_epoch": 5, **options})


def train(policy: LearnedOrder, patches: torch.Tensor, steps: range) -> None:
    """A custom loop in which the sum of a patch earns more the later it comes."""
    optimizer = policy.build_optimizer()
    for step in steps:
        policy.advance(step)
        proposal = policy.propose(patches)
        reward = (proposal.apply(patches).sum(dim=2) * torch.arange(6)).sum(dim=1)
        loss = policy.loss(proposal, reward) - reward.mean()
        if loss.requires_grad:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@pytest.mark.parametrize(
    ("patches", "grid"),
    [
        (16, Grid(4, 4)),
        ([4, 4], Grid(4, 4)),
        ("2x3", Grid(2, 3)),
        (np.int64(15), Grid(1, 15)),
        (15, Grid(1, 15)),
        (1, Grid(1, 1)),
        ((2, 3), Grid(2, 3)),
        (Grid(2, 3, 4), Grid(2, 3, 4)),
    ],
)
def test_patches_are_a_grid(patches: Any, grid: Grid) -> None:
    policy = build(patches=patches)
    assert policy.grid == grid
    assert policy.best_order() == Order.identity(grid.num_patches)


def test_a_start_is_a_name_an_order_or_a_file(tmp_path: Path) -> None:
    column, mine = Order([0, 3, 1, 4, 2, 5]), Order([5, 3, 1, 0, 2, 4])
    OrderFile("mine", Grid(2, 3), mine).save(tmp_path / "mine.json")
    assert build(start="column").best_order() == column
    assert build(start=mine).best_order() == mine
    for path in (tmp_path / "mine.json", str(tmp_path / "mine.json")):
        assert build(start=path).best_order() == mine


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"name": "reinforc"}, "no order-learner 'reinforc'"),
        ({"group": 4}, "there is no such field"),
        ({"groups": 1}, "at least 2 groups or repeats"),
        ({"start": "colum"}, "colum is not an ordering"),
        ({"start": Order([1, 0])}, "an order of 2 patches does not fit the 2x3 grid"),
        ({"start": Order([1, 0], num_patches=6)}, "not a single full order of 6 patches"),
        ({"start": Path("nowhere.json")}, "nowhere.json"),
        ({"patches": 0}, "at least one patch"),
        ({"patches": 16.0}, "16.0 is not a grid"),
        ({"steps_per_epoch": 0}, "steps_per_epoch: 0 must be a whole number above 0"),
        ({"steps_per_epoch": 2.5}, "steps_per_epoch: 2.5 must be a whole number above 0"),
        ({"epochs": 0}, "epochs: 0 must be above 0"),
        ({"epochs": float("nan")}, "epochs: nan must be above 0"),
        ({"epochs": "3"}, "epochs: '3' must be above 0"),
        ({"search": "then-retrain"}, "only your own loop can do"),
    ],
)
def test_mistakes_are_explained(mistake: dict[str, Any], message: str) -> None:
    with pytest.raises((ReorderKitError, RecipeError), match=message):
        build(**mistake)


def test_a_file_of_another_grid_is_refused(tmp_path: Path) -> None:
    OrderFile("other", Grid(3, 2), Order.identity(6)).save(tmp_path / "other.json")
    with pytest.raises(ReorderKitError, match="holds an order for the grid 3x2, not for 2x3"):
        build(start=tmp_path / "other.json")


def test_a_number_of_patches_is_the_grid_of_the_start(tmp_path: Path) -> None:
    OrderFile("mine", Grid(1, 4), Order([3, 1, 0, 2])).save(tmp_path / "mine.json")
    for number in (4, np.int64(4)):
        policy = build(patches=number, start=tmp_path / "mine.json")
        assert policy.grid == policy.best_order().grid == Grid(1, 4)
    assert build(patches=4, start=[3, 1, 0, 2]).best_order().grid == Grid(2, 2)


def test_a_search_that_never_starts_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="reinforce: the search never starts"):
        build(warmup_epochs=4)


def test_it_goes_through_the_phases_of_its_options() -> None:
    policy = build(warmup_epochs=1, search_epochs=2)
    phases = []
    for step in range(20):
        policy.advance(step)
        phases.append(policy.phase)
    assert phases == ["warm-up"] * 5 + ["search"] * 10 + ["hardened"] * 5


@pytest.mark.parametrize("name", ["softsort", "gumbel-sinkhorn", "reinforce", "straight-through", "shuffle-softsort"])
def test_a_loaded_state_goes_on_as_if_it_had_not_stopped(name: str) -> None:
    policy, resumed = (build(name, seed=3, warmup_epochs=0, search_epochs=3) for _ in range(2))
    train(policy, PATCHES, range(6))
    resumed.load_state_dict(policy.state_dict())
    policy.advance(6)
    resumed.advance(6)
    one, other = policy.propose(PATCHES), resumed.propose(PATCHES)
    assert one.order == other.order
    assert torch.equal(one.apply(PATCHES), other.apply(PATCHES))
    assert policy.best_order() == resumed.best_order()


def test_it_learns_what_is_rewarded() -> None:
    options = {"warmup_epochs": 0, "search_epochs": 20, "epochs": 21, "temperature": HOT, "lr": 0.1}
    policy = build(start="row", normalize_advantage=True, **options)
    values = torch.tensor([3.0, -1.0, 2.0, 0.0, -2.0, 1.0])
    train(policy, values.repeat(32, 1).unsqueeze(2), range(100))
    assert policy.best_order().kendall_tau(Order(values.argsort())) > 0.7


def test_seed_step_and_process_decide_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def orders(seed: int, step: int) -> list[Order]:
        policy = build(seed=seed, warmup_epochs=0, temperature=HOT)
        policy.advance(step)
        return [policy.propose(PATCHES).order, policy.propose(PATCHES).order]

    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = orders(0, 2)
    assert first == orders(0, 2)
    assert first[0] != first[1]
    assert first != orders(1, 2)
    assert first != orders(0, 3)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    assert first != orders(0, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_reward_counts_without_its_gradient() -> None:
    policy = build(warmup_epochs=0, temperature=HOT)
    policy.advance(0)
    losses = torch.arange(8.0).requires_grad_()
    policy.loss(policy.propose(PATCHES), -losses).backward()
    assert losses.grad is None
    with pytest.raises(ReorderKitError, match="needs its reward"):
        policy.loss(policy.propose(PATCHES))


@pytest.mark.parametrize("name", ["reinforce", "softsort"])
@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (torch.tensor([1.0] * 7 + [torch.nan]), "a reward is NaN or infinite"),
        (torch.full((8,), -torch.inf), "a reward is NaN or infinite"),
        (torch.tensor(0.5), r"has the shape \(\)"),
        (torch.zeros(8, 1), r"has the shape \(8, 1\)"),
        (0.5, "a tensor, not a float"),
    ],
)
def test_a_reward_is_a_number_for_each_image(name: str, reward: Any, message: str) -> None:
    policy = build(name, warmup_epochs=0, search_epochs=3)
    policy.advance(0)
    proposal, before = policy.propose(PATCHES), policy.best_order()
    if not isinstance(reward, float):
        with pytest.raises(ReorderKitError, match=message):
            policy.loss([Pass((proposal,), reward)])
        reward = reward.clone().requires_grad_()
    with pytest.raises(ReorderKitError, match=message):
        policy.loss(proposal, reward)
    assert policy.best_order() == before


def test_a_reward_too_few_is_refused() -> None:
    policy = build(warmup_epochs=0)
    policy.advance(0)
    with pytest.raises(ReorderKitError, match=r"the reward of 8 images has the shape \(7,\)"):
        policy.loss(Proposal(Order(torch.arange(6).repeat(8, 1))), torch.zeros(7))


def test_on_a_gpu_rewards_are_looked_at_before_an_order_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reward_checks, "is_waited_for", lambda device: False)
    policy = build(warmup_epochs=0)
    policy.advance(0)
    policy.loss(policy.propose(PATCHES), torch.full((8,), torch.nan))
    policy.loss(policy.propose(PATCHES), torch.zeros(8))
    with pytest.raises(ReorderKitError, match="a reward is NaN or infinite"):
        policy.best_order()


def test_a_trial_that_earns_nan_is_refused() -> None:
    policy = build("random-search", warmup_epochs=0, search_epochs=2, explore_share=0.0)
    policy.advance(0)
    with pytest.raises(ReorderKitError, match="a reward is NaN or infinite"):
        policy.search(lambda proposal, images=None: torch.full((8,), torch.nan)[:images])


def test_several_passes_are_handed_over_at_once() -> None:
    policy = build(warmup_epochs=0, temperature=HOT, groups=1, repeats=2)
    policy.advance(0)
    assert policy.repeats == 2
    passes = [Pass((policy.propose(PATCHES),), torch.full((8,), float(reward))) for reward in range(policy.repeats)]
    assert policy.loss(passes).requires_grad
    with pytest.raises(ReorderKitError, match="1 passes cannot be split evenly over 2 repeats"):
        policy.loss(policy.propose(PATCHES), torch.zeros(8))


def test_nothing_is_proposed_before_the_first_step() -> None:
    with pytest.raises(ReorderKitError, match="no step has begun yet"):
        build().propose(PATCHES)


def test_a_learner_of_trials_asks_for_them() -> None:
    policy = build("random-search", warmup_epochs=1, search_epochs=2, explore_share=0.0)
    assert policy.build_optimizer() is None
    policy.advance(0)
    policy.propose(PATCHES)  # no trials in the warm-up
    policy.advance(5)
    with pytest.raises(ReorderKitError, match="random-search learns only from trials"):
        policy.propose(PATCHES)

    tried = []

    def evaluate(proposal: Proposal, images: int | None = None) -> torch.Tensor:
        tried.append(proposal)
        rank = proposal.order.rank
        return -rank[4].expand(8 if images is None else min(8, images)) + 0.01 * torch.arange(8.0)[:images]

    for step in range(5, 15):
        policy.advance(step)
        policy.search(evaluate)
        policy.propose(PATCHES)
    assert tried
    assert policy.best_order().indices[0] == 4


def test_a_sequence_can_say_more_than_patches() -> None:
    policy = build()
    policy.advance(0)
    sequence = PatchSequence(PATCHES, Grid(2, 3), valid=torch.ones(8, 6, dtype=torch.bool))
    assert policy.propose(sequence).apply(sequence).valid is not None
    assert policy.best_order(sequence) == policy.best_order(PATCHES) == policy.best_order()
