"""SoftSort: hand-worked matrices, the plain version, and its limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from reorder_kit.ops.naive import softsort as naive
from reorder_kit.ops.softsort import softsort

TEMPERATURES = [1e-4, 0.1, 1.0, 30.0, 1e4]


def scores_of(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=dtype)


def test_two_scores_are_worked_out_by_hand() -> None:
    near, far = 0.7310586, 0.2689414  # 1 and e^-1, over their sum
    assert softsort(torch.tensor([0.0, 1.0]), 1.0).flatten().tolist() == pytest.approx([far, near, near, far])


def test_three_scores_are_worked_out_by_hand() -> None:
    # With this temperature the weight of a distance d is 2^-d. Descending, the scores are 2, 1, 0.
    matrix = softsort(torch.tensor([2.0, 0.0, 1.0]), 1 / math.log(2))
    expected = torch.tensor([[4, 1, 2], [2, 2, 4], [1, 4, 2]]) / torch.tensor([[7], [8], [7]])
    torch.testing.assert_close(matrix, expected)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_it_equals_the_plain_version(size: int, temperature: float) -> None:
    scores = scores_of(size)
    expected = torch.tensor(naive.softsort(scores.tolist(), temperature))
    torch.testing.assert_close(softsort(scores, temperature), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("size", [1, 3, 196, 1024])
def test_rows_are_finite_shares_and_so_is_the_gradient(size: int, scale: float, temperature: float) -> None:
    scores = (scale * scores_of(size)).requires_grad_()
    matrix = softsort(scores, temperature)
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(size))
    (matrix * scores_of(size, size)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_one_patch_stays() -> None:
    assert softsort(torch.tensor([-3.0]), 0.5).tolist() == [[1.0]]


def test_near_zero_temperature_it_is_the_hard_order() -> None:
    matrix = softsort(torch.tensor([0.3, 2.0, -1.0, 0.9]), 1e-3)
    assert matrix.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]]


def test_at_a_high_temperature_rows_are_uniform() -> None:
    torch.testing.assert_close(softsort(scores_of(8), 1e6), torch.full((8, 8), 1 / 8), rtol=1e-4, atol=0)


def test_equal_scores_share_their_slots_at_any_temperature() -> None:
    assert softsort(torch.tensor([1.0, 0.0, 1.0]), 1e-4).tolist() == [[0.5, 0, 0.5], [0.5, 0, 0.5], [0, 1, 0]]
    assert softsort(torch.zeros(4), 1e-4).tolist() == [[0.25] * 4] * 4


def test_equal_scores_have_a_finite_gradient() -> None:
    scores = torch.tensor([1.0, 0.0, 1.0], requires_grad=True)
    (softsort(scores, 0.5) * scores_of(3, 3)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_patches_move_with_their_scores() -> None:
    scores, order = scores_of(9), torch.randperm(9, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(softsort(scores[order], 0.7), softsort(scores, 0.7)[:, order])


def test_the_temperature_is_in_units_of_the_scores() -> None:
    scores = scores_of(9)
    torch.testing.assert_close(softsort(5 * scores + 2, 5 * 0.7), softsort(scores, 0.7), rtol=1e-4, atol=1e-6)


def test_each_of_a_batch_is_sorted_alone() -> None:
    scores = scores_of(2, 3, 5)
    matrices = softsort(scores, 0.4)
    assert matrices.shape == (2, 3, 5, 5)
    for row in range(2):
        for column in range(3):
            torch.testing.assert_close(matrices[row, column], softsort(scores[row, column], 0.4))


def test_gradients_are_those_of_finite_differences() -> None:
    scores, weights = scores_of(6).requires_grad_(), scores_of(6, 6)
    (softsort(scores, 0.8) * weights).sum().backward()
    step = 1e-5

    def shifted(patch: int, by: float) -> float:
        moved = scores.tolist()
        moved[patch] += by
        return float((torch.tensor(naive.softsort(moved, 0.8), dtype=torch.float64) * weights.double()).sum())

    expected = [(shifted(patch, step) - shifted(patch, -step)) / (2 * step) for patch in range(6)]
    assert scores.grad is not None
    assert scores.grad.tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 2, 4)])
def test_gradcheck(shape: tuple[int, ...]) -> None:
    scores = scores_of(*shape, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: softsort(scores, 0.8), scores)


def test_float64_scores_are_computed_in_float64() -> None:
    scores = scores_of(7, dtype=torch.float64)
    expected = torch.tensor(naive.softsort(scores.tolist(), 0.5), dtype=torch.float64)
    torch.testing.assert_close(softsort(scores, 0.5), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_scores_are_computed_in_float32(autocast: bool) -> None:
    scores = scores_of(16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        matrix = softsort(scores, 0.5)
    assert matrix.dtype == torch.float32
    torch.testing.assert_close(matrix, torch.tensor(naive.softsort(scores.tolist(), 0.5)), rtol=1e-4, atol=1e-6)
