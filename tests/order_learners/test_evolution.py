"""Evolution: the textbook crossover, generations, and a planted order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, permutations
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from policies import move, policy_of
from reorder_kit.interfaces import PatchSequence, Progress, Proposal
from reorder_kit.order_learners.evolution import Evolution, EvolutionPolicy, order_crossover
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

STEPS = 100


def build(start: Order, seed: int = 0, **options: Any) -> EvolutionPolicy:
    """A policy that tries candidates from the first step to the last."""
    learner = Evolution(Evolution.Options(**{"search_epochs": STEPS, "explore_share": 0.0, **options}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return policy_of(learner, start)


def at(step: int) -> Progress:
    return Progress(step, 1, STEPS, stream=1000 + step, shared_stream=step)


def rewards(reward: Callable[[list[int]], float], batch: int = 8) -> Callable[..., Tensor]:
    """Every image gets the reward of the order plus its own offset; exact in binary."""
    own = torch.arange(batch) / 8

    def evaluate(proposal: Proposal, images: int | None = None) -> Tensor:
        order: list[int] = proposal.order.indices.tolist()
        return (reward(order) + own)[:images]

    return evaluate


def neighbours(order: list[int]) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in pairwise(order)}


# --- Crossover


def test_order_crossover_by_the_book() -> None:
    # Michalewicz, Genetic Algorithms + Data Structures = Evolution Programs, 1992, chapter 10 (cities from 1).
    one, other = [1, 2, 3, 4, 5, 6, 7, 8, 9], [4, 5, 2, 1, 8, 7, 6, 9, 3]
    assert order_crossover(one, other, 3, 7) == [2, 1, 8, 4, 5, 6, 7, 9, 3]
    assert order_crossover(other, one, 3, 7) == [3, 4, 5, 1, 8, 7, 6, 9, 2]


def test_a_child_has_every_patch_once_and_the_segment_where_it_was() -> None:
    one = [2, 0, 3, 1]
    for other in permutations(range(4)):
        for first in range(4):
            for end in range(first + 1, 5):
                child = order_crossover(one, other, first, end)
                assert sorted(child) == [0, 1, 2, 3]
                assert child[first:end] == one[first:end]
    assert order_crossover(one, [1, 2, 3, 0], 0, 4) == one


# --- Generations


def test_the_fittest_live_on_and_their_children_take_the_other_places() -> None:
    policy = build(Order.identity(9), candidates=7, parents=3, screen_images=8)
    move(policy, at(0))
    before = policy.population.tolist()
    fitness = {tuple(order): value for order, value in zip(before, [0.5, -2.0, 5.0, 1.0, -1.0, 4.0, 0.0], strict=True)}
    policy.search(rewards(lambda order: fitness.get(tuple(order), -9.0)))
    after = policy.population.tolist()
    assert after[:3] == [before[5], before[3], before[0]]  # the fittest is the best order now
    assert len(after) == 7
    assert all(sorted(child) == list(range(9)) for child in after[3:])
    assert policy.best_order().indices.tolist() == before[2]


def test_children_by_mutation_differ_from_their_parent_and_are_like_it() -> None:
    policy = build(Order.identity(20), candidates=40, parents=1, crossover=0.0)
    move(policy, at(0))
    policy.population.copy_(torch.arange(20).expand(40, -1))
    policy.search(rewards(lambda order: 1.0))
    children = policy.population.tolist()
    assert all(child != list(range(20)) for child in children)
    # A move breaks four junctions at most: a swap.
    assert all(len(neighbours(child) & neighbours(list(range(20)))) >= 15 for child in children)


def test_no_order_is_tried_twice_at_once() -> None:
    policy = build(Order.identity(20), candidates=10, parents=2, crossover=1.0)
    move(policy, at(0))
    policy.population.copy_(torch.arange(20).expand(10, -1))
    for _ in range(5):
        policy.search(rewards(lambda order: 1.0))
        orders = [tuple(range(20)), *map(tuple, policy.population.tolist())]
        assert len(set(orders)) == 11


def test_a_population_may_be_larger_than_there_are_orders() -> None:
    policy = build(Order.identity(3), candidates=9, parents=2)
    move(policy, at(0))
    policy.search(rewards(lambda order: 1.0))
    assert policy.population.shape == (9, 3)
    assert len(set(map(tuple, policy.population.tolist()))) == 5  # all but the best order


def test_no_child_would_ever_be_born_of_parents_alone() -> None:
    with pytest.raises(ValidationError, match="fewer parents"):
        Evolution.Options(candidates=4, parents=4)


# --- The policy


def test_the_first_population_depends_on_the_seed_and_the_best_order_does_not() -> None:
    start = Order([3, 1, 0, 2, 4])
    one, same, other = (build(start, seed) for seed in (0, 0, 1))
    assert torch.equal(one.population, same.population)
    assert not torch.equal(one.population, other.population)
    assert one.best_order() == other.best_order() == start


def test_weights_are_trained_in_random_orders_also_while_the_population_is_tried() -> None:
    policy = build(Order.identity(30), search_epochs=80, groups=4)
    sequence = PatchSequence(torch.zeros(6, 30, 1), Grid(1, 30))
    population = set(map(tuple, policy.population.tolist()))
    for step in range(STEPS):
        move(policy, at(step))
        order = policy.propose(sequence).order
        if step < 80:
            assert order.groups is not None
            assert order.groups.tolist() == [0, 1, 2, 3, 0, 1]
            proposed = set(map(tuple, order.indices.tolist()))
            assert len(proposed) == 4
            assert not proposed & population
        else:
            assert order == Order.identity(30)


def test_it_finds_more_of_a_hidden_order_than_as_many_random_orders_hold() -> None:
    generator = torch.Generator().manual_seed(5)
    hidden = neighbours(torch.randperm(12, generator=generator).tolist())

    def restored(order: list[int]) -> float:
        return float(len(neighbours(order) & hidden))

    policy = build(Order(torch.randperm(12, generator=generator)), screen_images=4)
    for step in range(STEPS):
        move(policy, at(step))
        policy.search(rewards(restored))
    tried = [torch.randperm(12, generator=generator).tolist() for _ in range(16 * STEPS)]
    found = restored(policy.best_order().indices.tolist())
    assert found >= max(map(restored, tried)) + 2
