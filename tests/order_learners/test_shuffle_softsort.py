"""ShuffleSoftSort: hand-worked matrices, the plain version, its limits, and the rounds of the learner."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from policies import move, policy_of, propose_one
from reorder_kit.interfaces import PatchSequence, Progress
from reorder_kit.ops.naive import shuffle_softsort as naive
from reorder_kit.ops.shuffle_softsort import shuffle_softsort
from reorder_kit.ops.softsort import softsort
from reorder_kit.order_learners.shuffle_softsort import ShuffleSoftSort, ShuffleSoftSortPolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

TEMPERATURES = [1e-4, 0.1, 1.0, 30.0, 1e4]


def scores_of(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=dtype)


def line_of(size: int, seed: int = 0) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))


# --- Values


def test_neighbours_on_the_line_mix_wherever_their_slots_are() -> None:
    # The line has slots 2, 0, 1, and the weight of a distance d on it is 2^-d.
    matrix = shuffle_softsort(torch.tensor([2.0, 1.0, 0.0]), torch.tensor([2, 0, 1]), 1 / math.log(2))
    expected = torch.tensor([[4, 2, 2], [2, 4, 1], [2, 1, 4]]) / torch.tensor([[8], [7], [7]])
    torch.testing.assert_close(matrix, expected)


def test_two_places_that_swap_swap_their_slots() -> None:
    # The line has slots 3, 1, 0, 2; positions 0 and 1 swap, which are slots 3 and 1.
    matrix = shuffle_softsort(torch.tensor([2.0, 3.0, 1.0, 0.0]), torch.tensor([3, 1, 0, 2]), 1e-3)
    assert matrix.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_it_equals_the_plain_version(size: int, temperature: float) -> None:
    scores, line = scores_of(size), line_of(size)
    expected = torch.tensor(naive.shuffle_softsort(scores.tolist(), line.tolist(), temperature))
    torch.testing.assert_close(shuffle_softsort(scores, line, temperature), expected, rtol=1e-3, atol=1e-6)


def test_along_an_unshuffled_line_it_is_softsort() -> None:
    scores = scores_of(2, 9)
    torch.testing.assert_close(shuffle_softsort(scores, torch.arange(9), 0.7), softsort(scores, 0.7))


def test_each_of_a_batch_is_sorted_alone() -> None:
    scores, line = scores_of(2, 3, 5), line_of(5)
    matrices = shuffle_softsort(scores, line, 0.4)
    assert matrices.shape == (2, 3, 5, 5)
    for row in range(2):
        for column in range(3):
            torch.testing.assert_close(matrices[row, column], shuffle_softsort(scores[row, column], line, 0.4))


# --- Limits


@pytest.mark.parametrize("size", [1, 2, 16, 196])
def test_scores_that_fall_along_the_line_move_nothing_at_a_low_temperature(size: int) -> None:
    scores = torch.arange(size, 0.0, -1)
    assert torch.equal(shuffle_softsort(scores, line_of(size), 1e-3), torch.eye(size))


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("size", [1, 3, 196, 1024])
def test_rows_are_finite_shares_and_so_is_the_gradient(size: int, scale: float, temperature: float) -> None:
    scores = (scale * scores_of(size)).requires_grad_()
    matrix = shuffle_softsort(scores, line_of(size), temperature)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(size))
    (matrix * scores_of(size, size)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_at_a_high_temperature_rows_are_uniform() -> None:
    matrix = shuffle_softsort(scores_of(8), line_of(8), 1e6)
    torch.testing.assert_close(matrix, torch.full((8, 8), 1 / 8), rtol=1e-4, atol=0)


def test_equal_scores_share_the_slots_of_their_places() -> None:
    matrix = shuffle_softsort(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([2, 0, 1]), 1e-4)
    assert matrix.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]


# --- Gradient and precision


def test_gradients_are_those_of_finite_differences() -> None:
    scores, weights = scores_of(6, dtype=torch.float64).requires_grad_(), scores_of(6, 6, dtype=torch.float64)
    line = line_of(6)
    (shuffle_softsort(scores, line, 0.8) * weights).sum().backward()
    step = 1e-6

    def shifted(patch: int, by: float) -> float:
        moved = scores.tolist()
        moved[patch] += by
        matrix = torch.tensor(naive.shuffle_softsort(moved, line.tolist(), 0.8), dtype=torch.float64)
        return float((matrix * weights).sum())

    expected = [(shifted(patch, step) - shifted(patch, -step)) / (2 * step) for patch in range(6)]
    assert scores.grad is not None
    assert scores.grad.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 2, 4)])
def test_gradcheck(shape: tuple[int, ...]) -> None:
    scores, line = scores_of(*shape, dtype=torch.float64).requires_grad_(), line_of(shape[-1])
    assert torch.autograd.gradcheck(lambda scores: shuffle_softsort(scores, line, 2.0), scores)


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_scores_are_computed_in_float32(autocast: bool) -> None:
    scores, line = scores_of(16).bfloat16(), line_of(16)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        matrix = shuffle_softsort(scores, line, 0.5)
    assert matrix.dtype == torch.float32
    expected = torch.tensor(naive.shuffle_softsort(scores.tolist(), line.tolist(), 0.5))
    torch.testing.assert_close(matrix, expected, rtol=1e-4, atol=1e-6)


# --- The learner


def build(start: Order, **options: Any) -> ShuffleSoftSortPolicy:
    """A policy that searches from the first step on."""
    learner = ShuffleSoftSort(ShuffleSoftSort.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def at(step: int, steps: int = 1000) -> Progress:
    return Progress(step, steps_per_epoch=1, epochs=steps, stream=-step, shared_stream=100 + step)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def swap_places(policy: ShuffleSoftSortPolicy, first: int, second: int) -> tuple[int, int]:
    """Swap two positions of the line, and return their slots."""
    policy.scores.data[[first, second]] = policy.scores.data[[second, first]]
    return int(policy.line[first]), int(policy.line[second])


def test_places_that_swap_swap_patches_in_the_order() -> None:
    start = shuffled(9)
    policy = build(start)
    move(policy, at(0))
    first, second = swap_places(policy, 3, 4)
    expected = start.indices.clone()
    expected[[first, second]] = expected[[second, first]]
    assert policy.best_order() == Order(expected)


def test_the_soft_permutation_is_that_of_the_order_it_stands_for() -> None:
    policy = build(shuffled(9), temperature={"shape": "constant", "peak": 1e-3})
    for step in range(90):  # three rounds
        move(policy, at(step))
        if step % 7 == 0:
            swap_places(policy, step % 5, 7)
        matrix = policy.soft_permutation().matrix
        torch.testing.assert_close(matrix, torch.nn.functional.one_hot(policy.best_order().indices, 9).float())


def test_a_round_takes_over_the_order_and_begins_with_another_line() -> None:
    policy = build(shuffled(12), round_steps=3)
    lines = []
    for step in range(9):
        before = policy.best_order()
        move(policy, at(step))
        assert policy.best_order() == before
        if step % 3 == 0:
            lines.append(policy.line.tolist())
            assert torch.equal(policy.standing, before.indices)
            assert policy.scores.tolist() == list(range(11, -1, -1))
        assert policy.line.tolist() == lines[-1]
        swap_places(policy, step, step + 1)
    assert policy.best_order() != shuffled(12)
    assert len({tuple(line) for line in lines}) == 3


def test_all_processes_draw_the_same_line() -> None:
    one, other = build(shuffled(20)), build(shuffled(20))
    move(one, Progress(0, 1, 1000, stream=1, shared_stream=5))
    move(other, Progress(0, 1, 1000, stream=2, shared_stream=5))
    assert torch.equal(one.line, other.line)


def test_rounds_begin_with_the_search() -> None:
    policy = build(shuffled(12), warmup_epochs=5, round_steps=4)
    begun = []
    for step in range(14):
        line = policy.line.clone()
        move(policy, at(step))
        if not torch.equal(policy.line, line):
            begun.append(step)
    assert begun == [5, 9, 13]


@pytest.mark.parametrize(
    "options",
    [{}, pytest.param({"straight_through": True}, marks=pytest.mark.slow)],
    ids=["mixture", "straight-through"],
)
def test_the_defaults_come_near_a_planted_order(options: dict[str, Any]) -> None:
    found = []
    for seed in range(3):
        start, hidden = shuffled(8, seed), shuffled(8, 100 + seed)
        policy = build(start, search_epochs=320, **options)
        optimizer = policy.build_optimizer()
        cost = (torch.arange(8.0).unsqueeze(1) - hidden.rank).square() / 8
        for step in range(320):
            move(policy, at(step, 320))
            shares = propose_one(policy).apply(PatchSequence(torch.eye(8).unsqueeze(0), Grid(1, 8))).patches
            optimizer.zero_grad()
            (shares * cost).mean().backward()
            optimizer.step()
        found.append(policy.best_order().kendall_tau(hidden))
        assert found[-1] > start.kendall_tau(hidden)
    assert np.mean(found) > 0.8
