"""NeuralSort: hand-worked matrices, the plain version, its limits, and the learner."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from policies import move, policy_of, propose_one
from reorder_kit.interfaces import PatchSequence, Progress
from reorder_kit.ops.naive import neuralsort as naive
from reorder_kit.ops.neuralsort import neuralsort
from reorder_kit.order_learners.neuralsort import NeuralSort, NeuralSortPolicy
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

TEMPERATURES = [1e-4, 0.1, 1.0, 30.0, 1e4]


def scores_of(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=dtype)


# --- Values


def test_two_scores_are_worked_out_by_hand() -> None:
    # A 1 is 2 for both scores. Slot 1: softmax of 1 s, slot 2: softmax of -1 s; s = 0 and 2, temperature 2.
    near, far = 0.7310586, 0.2689414  # e^1 and 1, over their sum
    assert neuralsort(torch.tensor([0.0, 2.0]), 2.0).flatten().tolist() == pytest.approx([far, near, near, far])


def test_three_scores_are_worked_out_by_hand() -> None:
    # Scores 2, 0, 3: A 1 is 3, 5, 4. Slot 1: 2 s - A 1 = 1, -5, 2. Slot 2: -A 1 = -3, -5, -4. Slot 3: -7, -5, -10.
    matrix = neuralsort(torch.tensor([2.0, 0.0, 3.0]), 1 / math.log(2))  # a difference of d is a factor of 2^d
    expected = torch.tensor([[64.0, 1, 128], [4, 1, 2], [8, 32, 1]])
    torch.testing.assert_close(matrix, expected / expected.sum(dim=1, keepdim=True))


def test_of_evenly_spaced_scores_a_row_is_a_gaussian() -> None:
    matrix = neuralsort(torch.tensor([8.0, 6.0, 4.0, 2.0, 0.0]), 3.0)
    slots = torch.arange(5.0)
    weights = torch.exp(-2 * (slots.unsqueeze(1) - slots).square() / 3)  # spaced by 2, at temperature 3
    torch.testing.assert_close(matrix, weights / weights.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_it_equals_the_plain_version(size: int, temperature: float) -> None:
    scores = scores_of(size, dtype=torch.float64)
    expected = torch.tensor(naive.neuralsort(scores.tolist(), temperature), dtype=torch.float64)
    torch.testing.assert_close(neuralsort(scores, temperature), expected, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(neuralsort(scores.float(), temperature), expected.float(), rtol=1e-3, atol=2e-3)


def test_each_of_a_batch_is_sorted_alone() -> None:
    scores = scores_of(2, 3, 5)
    matrices = neuralsort(scores, 0.4)
    assert matrices.shape == (2, 3, 5, 5)
    for row in range(2):
        for column in range(3):
            torch.testing.assert_close(matrices[row, column], neuralsort(scores[row, column], 0.4))


def test_patches_move_with_their_scores() -> None:
    scores, order = scores_of(9), torch.randperm(9, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(neuralsort(scores[order], 0.7), neuralsort(scores, 0.7)[:, order])


def test_the_temperature_is_in_units_of_the_scores() -> None:
    scores = scores_of(9)
    torch.testing.assert_close(neuralsort(5 * scores + 2, 5 * 0.7), neuralsort(scores, 0.7), rtol=1e-3, atol=1e-5)


# --- Limits


@pytest.mark.parametrize("size", [196, 784, 2048])
def test_the_largest_share_of_a_row_is_that_of_its_own_patch_for_any_number_of_patches(size: int) -> None:
    # In float32, the definition taken literally gives 14 of 784 rows and 145 of 2048 to the wrong patch.
    scores = torch.randn(size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(neuralsort(scores, 0.1).argmax(dim=-1), scores.argsort(descending=True, stable=True))


def test_it_is_as_exact_in_float32_as_in_float64() -> None:
    scores = torch.randperm(1024, generator=torch.Generator().manual_seed(0)).float() * 0.37
    torch.testing.assert_close(neuralsort(scores, 1.0), neuralsort(scores.double(), 1.0).float(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("size", [1, 3, 196, 1024])
def test_rows_are_finite_shares_and_so_is_the_gradient(size: int, scale: float, temperature: float) -> None:
    scores = (scale * scores_of(size)).requires_grad_()
    matrix = neuralsort(scores, temperature)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(size))
    (matrix * scores_of(size, size)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_near_zero_temperature_it_is_the_hard_order() -> None:
    matrix = neuralsort(torch.tensor([0.3, 2.0, -1.0, 0.9]), 1e-3)
    assert matrix.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]]


def test_at_a_high_temperature_rows_are_uniform() -> None:
    torch.testing.assert_close(neuralsort(scores_of(8), 1e6), torch.full((8, 8), 1 / 8), rtol=1e-3, atol=0)


def test_equal_scores_share_their_slots_at_any_temperature() -> None:
    assert neuralsort(torch.tensor([1.0, 0.0, 1.0]), 1e-4).tolist() == [[0.5, 0, 0.5], [0.5, 0, 0.5], [0, 1, 0]]
    assert neuralsort(torch.zeros(4), 1e-4).tolist() == [[0.25] * 4] * 4


def test_equal_scores_have_the_gradient_of_their_row_major_sequence() -> None:
    def gradient(*values: float) -> list[float]:
        scores = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        (neuralsort(scores, 0.5) * scores_of(3, 3, dtype=torch.float64)).sum().backward()
        assert scores.grad is not None
        return scores.grad.tolist()

    assert gradient(1.0, 0.0, 1.0) == pytest.approx(gradient(1.0 + 1e-9, 0.0, 1.0), abs=1e-6)


# --- Gradient and precision


def test_gradients_are_those_of_finite_differences() -> None:
    scores, weights = scores_of(6, dtype=torch.float64).requires_grad_(), scores_of(6, 6, dtype=torch.float64)
    (neuralsort(scores, 1.8) * weights).sum().backward()
    step = 1e-6

    def shifted(patch: int, by: float) -> float:
        moved = scores.tolist()
        moved[patch] += by
        return float((torch.tensor(naive.neuralsort(moved, 1.8), dtype=torch.float64) * weights).sum())

    expected = [(shifted(patch, step) - shifted(patch, -step)) / (2 * step) for patch in range(6)]
    assert scores.grad is not None
    assert scores.grad.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 2, 4)])
def test_gradcheck(shape: tuple[int, ...]) -> None:
    scores = scores_of(*shape, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: neuralsort(scores, 2.0), scores)


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_scores_are_computed_in_float32(autocast: bool) -> None:
    scores = scores_of(16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        matrix = neuralsort(scores, 0.5)
    assert matrix.dtype == torch.float32
    expected = torch.tensor(naive.neuralsort(scores.tolist(), 0.5))
    torch.testing.assert_close(matrix, expected, rtol=1e-3, atol=1e-5)


def test_float64_scores_are_computed_in_float64() -> None:
    assert neuralsort(scores_of(5, dtype=torch.float64), 0.5).dtype == torch.float64


# --- The learner


def build(start: Order, **options: Any) -> NeuralSortPolicy:
    """A policy that searches from the first step on."""
    learner = NeuralSort(NeuralSort.Options(**{"warmup_epochs": 0, "search_epochs": 1000, **options}))
    return policy_of(learner, start)


def at(step: int, steps: int = 1000) -> Progress:
    return Progress(step, steps_per_epoch=1, epochs=steps)


def shuffled(patches: int, seed: int = 0) -> Order:
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def test_the_temperature_of_the_learner_is_in_slots() -> None:
    # exp(-(d / t)^2) is 2^(-d^2) for a patch d slots away. Patch 2 stands first, then 0, then 1.
    policy = build(Order([2, 0, 1]), temperature={"shape": "constant", "peak": math.log(2) ** -0.5})
    move(policy, at(0))
    expected = torch.tensor([[8, 1, 16], [2, 1, 1], [8, 16, 1]]) / torch.tensor([[25], [4], [25]])
    torch.testing.assert_close(policy.soft_permutation().matrix, expected)


@pytest.mark.parametrize("options", [{}, {"straight_through": True}], ids=["mixture", "straight-through"])
def test_the_defaults_find_a_planted_order(options: dict[str, Any]) -> None:
    found = []
    for seed in range(2):
        start, hidden = shuffled(8, seed), shuffled(8, 100 + seed)
        policy = build(start, search_epochs=150, **options)
        optimizer = policy.build_optimizer()
        cost = (torch.arange(8.0).unsqueeze(1) - hidden.rank).square() / 8
        for step in range(150):
            move(policy, at(step, 150))
            shares = propose_one(policy).apply(PatchSequence(torch.eye(8).unsqueeze(0), Grid(1, 8))).patches
            optimizer.zero_grad()
            (shares * cost).mean().backward()
            optimizer.step()
        found.append(policy.best_order().kendall_tau(hidden))
        assert found[-1] > start.kendall_tau(hidden)
    assert np.mean(found) > 0.8
