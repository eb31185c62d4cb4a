"""Random search, and the trials that it shares with other searches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import torch
from scipy.stats import chisquare, ttest_rel
from torch import Tensor

from policies import move, policy_of
from reorder_kit.benchmark.learner_options import CHOSEN
from reorder_kit.interfaces import PatchSequence, Progress, Proposal
from reorder_kit.order_learners._trials import paired_t, random_orders
from reorder_kit.order_learners.random_search import RandomSearch, RandomSearchPolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

STEPS = 1000


def build(start: Order, **options: Any) -> RandomSearchPolicy:
    """A policy that searches from the first step to the last."""
    learner = RandomSearch(RandomSearch.Options(**{"search_epochs": STEPS, "explore_share": 0.0, **options}))
    return policy_of(learner, start)


def at(step: int, stream: int = 0, shared_stream: int | None = None) -> Progress:
    return Progress(step, 1, STEPS, stream=stream, shared_stream=step if shared_stream is None else shared_stream)


def images(batch: int, patches: int) -> PatchSequence:
    return PatchSequence(torch.zeros(batch, patches, 1), Grid(1, patches))


class Rewards:
    """Rewards of orders from a function; records the requested ones, with the number of images."""

    def __init__(self, batch: int, reward: Callable[[list[int]], Tensor]) -> None:
        self.batch, self.reward = batch, reward
        self.asked: list[tuple[list[int], int]] = []

    def __call__(self, proposal: Proposal, images: int | None = None) -> Tensor:
        size = self.batch if images is None else min(images, self.batch)
        order = proposal.order.indices.tolist()
        self.asked.append((order, size))
        return self.reward(order)[:size]


# --- Trials


def test_the_statistic_is_that_of_the_paired_t_test() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 12, generator=generator, dtype=torch.float64)
    assert paired_t(one - other) == pytest.approx(ttest_rel(one.numpy(), other.numpy()).statistic)


def test_no_difference_and_a_single_image_say_nothing() -> None:
    assert paired_t(torch.zeros(5)) == 0
    assert paired_t(torch.ones(1)) == 0
    assert paired_t(torch.ones(5)) == float("inf")


@pytest.mark.parametrize(
    ("candidates", "shift", "is_better"), [(1, 0.3, False), (1, 0.5, True), (5, 0.5, False), (5, 0.8, True)]
)
def test_a_candidate_replaces_the_best_order_if_the_corrected_t_test_says_so(
    candidates: int, shift: float, is_better: bool
) -> None:
    reference, tried = rewards_of_two(shift)
    policy = build(Order([0, 1]), screen_images=20, significance=0.05)
    policy.try_candidates(
        Rewards(20, lambda order: reference if order == [0, 1] else tried), torch.tensor([[1, 0]]).expand(candidates, 2)
    )
    p_value = ttest_rel(tried.numpy(), reference.numpy(), alternative="greater").pvalue
    assert (p_value * candidates < 0.05) == is_better
    assert policy.best_order() == Order([1, 0] if is_better else [0, 1])
    assert policy.metrics() == {"replacements": float(is_better)}


def rewards_of_two(shift: float) -> Tensor:
    """Rewards on 20 images; the second does better by ``shift`` on average, with a standard deviation of about 1."""
    reference, noise = torch.randn(2, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.stack([reference, reference + shift + noise - noise.mean()])


def test_the_best_of_a_few_images_are_tried_on_all() -> None:
    gains = {(0, 1, 2): 0.0, (1, 0, 2): 1.0, (2, 1, 0): -1.0, (0, 2, 1): 3.0, (2, 0, 1): 2.0}
    noise = torch.tensor([0.0, 0.1, -0.1, 0.2, -0.2, 0.0])
    rewards = Rewards(6, lambda order: gains[tuple(order)] + noise)
    policy = build(Order([0, 1, 2]), screen_images=2, finalists=2)
    move(policy, at(0))
    candidates = [[1, 0, 2], [2, 1, 0], [0, 2, 1], [2, 0, 1]]
    means = policy.try_candidates(rewards, torch.tensor(candidates))
    torch.testing.assert_close(means, torch.tensor([1.0, -1.0, 3.0, 2.0]), check_dtype=False)
    assert rewards.asked[:5] == [([0, 1, 2], 2), *((candidate, 2) for candidate in candidates)]
    assert rewards.asked[5:] == [([0, 1, 2], 6), ([0, 2, 1], 6), ([2, 0, 1], 6)]
    assert policy.best_order() == Order([0, 2, 1])


def test_nobody_is_a_finalist_who_does_no_better() -> None:
    rewards = Rewards(6, lambda order: torch.zeros(6))
    policy = build(Order([0, 1, 2]), screen_images=2)
    policy.try_candidates(rewards, torch.tensor([[1, 0, 2], [2, 1, 0]]))
    assert [images for _, images in rewards.asked] == [2, 2, 2]


@pytest.mark.parametrize("significance", [0.2, CHOSEN["segment-search"]["chain-64"]["significance"]])
def test_rewards_of_noise_replace_the_best_order_as_often_as_they_may_or_less(significance: float) -> None:
    generator = torch.Generator().manual_seed(0)
    policy = build(Order([0, 1, 2, 3]), candidates=8, significance=significance, screen_images=16)
    for step in range(STEPS):
        move(policy, at(step))
        # Skewed like losses, with an offset per image.
        height = torch.randn(64, generator=generator)
        policy.search(Rewards(64, lambda _, height=height: height - torch.empty(64).exponential_(generator=generator)))
    most, deviation = significance * STEPS, (significance * (1 - significance) * STEPS) ** 0.5
    # None at all would mean a test without power.
    assert most / 10 < policy.metrics()["replacements"] < most + 4 * deviation


def test_what_a_search_costs() -> None:
    # 17 orders on 64 of 256 images, 5 on all of them, in three of four steps.
    learner = RandomSearch(RandomSearch.Options(candidates=16, screen_images=64, finalists=4, explore_share=0.25))
    assert learner.extra_passes(256) == pytest.approx(0.75 * (17 / 4 + 5))
    assert learner.extra_passes(32) == pytest.approx(0.75 * (17 + 5))
    learner = RandomSearch(RandomSearch.Options(candidates=1, finalists=4, explore_share=0.0))
    assert learner.extra_passes(64) == pytest.approx(2 + 2)


# --- The policy


def test_all_orders_are_equally_probable() -> None:
    drawn = Counter(map(tuple, random_orders(6000, 3, torch.Generator().manual_seed(0)).tolist()))
    assert len(drawn) == 6
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_it_finds_the_best_of_all_orders() -> None:
    hidden = [2, 0, 3, 1]
    noise = torch.Generator().manual_seed(0)

    def reward(order: list[int]) -> Tensor:
        right = sum(one == other for one, other in zip(order, hidden, strict=True))
        return right + 0.5 * torch.randn(32, generator=noise)

    policy = build(Order([0, 1, 2, 3]), candidates=4, screen_images=16)
    for step in range(40):
        move(policy, at(step))
        policy.search(Rewards(32, reward))
    assert policy.best_order() == Order(hidden)


def test_weights_are_trained_in_random_orders_and_nothing_is_tried_at_first() -> None:
    policy = build(Order.identity(30), explore_share=0.25, search_epochs=100, warmup_epochs=0, groups=4)
    steps = []
    for step in range(STEPS):
        move(policy, at(step))
        asked = Rewards(8, lambda order: torch.zeros(8))
        policy.search(asked)
        steps.append(len(asked.asked) > 0)
        proposal = policy.propose(images(9, 30))
        if step < 100:
            assert proposal.order.groups is not None
            assert proposal.order.groups.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]
            assert len(set(map(tuple, proposal.order.indices.tolist()))) == 4
        else:
            assert proposal.order == Order.identity(30)
    # The completed share of the search is step / 99.
    assert steps == [25 <= step < 100 for step in range(STEPS)]


def test_processes_try_the_same_orders_and_train_in_their_own() -> None:
    rising = count()
    tried, trained = [], []
    for stream in (1, 2):
        policy = build(Order.identity(12))
        move(policy, at(3, stream=stream, shared_stream=7))
        rewards = Rewards(8, lambda order: torch.full((8,), float(next(rising))))
        policy.search(rewards)
        tried.append(rewards.asked)
        trained.append(policy.propose(images(8, 12)).order)
    assert tried[0] == tried[1]
    assert trained[0] != trained[1]


def test_an_order_that_was_given_out_stays_as_it_is() -> None:
    policy = build(Order([0, 1]))
    before = policy.best_order()
    policy.try_candidates(Rewards(8, lambda order: torch.full((8,), float(order[0]))), torch.tensor([[1, 0]]))
    assert before == Order([0, 1])
    assert policy.best_order() == Order([1, 0])
