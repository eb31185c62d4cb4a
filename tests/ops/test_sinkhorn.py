"""Sinkhorn: hand-worked matrices, uniqueness of its limit, the plain version, and its limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.ops.naive import sinkhorn as naive
from reorder_kit.ops.sinkhorn import sinkhorn

NEVER = -math.inf


def logits_of(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def converged(logits: Tensor, temperature: float) -> Tensor:
    return sinkhorn(logits.double(), temperature, max_iterations=10_000, tolerance=1e-12)


def hidden_order(size: int) -> Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(size))


def loss_of(matrix: Tensor) -> Tensor:
    return (matrix * logits_of(*matrix.shape, 1).squeeze(-1)).sum()


# --- Values


def test_two_patches_are_worked_out_by_hand() -> None:
    # p / (1 - p) is the square root of the cross-ratio 9 * 1 / (1 * 1).
    matrix = sinkhorn(torch.tensor([[math.log(9), 0.0], [0.0, 0.0]]), 1.0, tolerance=1e-6)
    torch.testing.assert_close(matrix, torch.tensor([[0.75, 0.25], [0.25, 0.75]]))


def test_one_iteration_is_worked_out_by_hand() -> None:
    # Rows of (3, 1), (1, 1) become (3/4, 1/4), (1/2, 1/2), then columns (3/5, 1/3), (2/5, 2/3), then rows once more.
    matrix = sinkhorn(torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]), 1.0, max_iterations=1)
    torch.testing.assert_close(matrix, torch.tensor([[9 / 14, 5 / 14], [3 / 8, 5 / 8]]))


@pytest.mark.parametrize("iterations", [1, 2, 20])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("size", [1, 2, 7, 20])
def test_it_equals_the_plain_version(size: int, temperature: float, iterations: int) -> None:
    logits = logits_of(size, size)
    expected = torch.tensor(naive.sinkhorn(logits.tolist(), temperature, iterations))
    torch.testing.assert_close(sinkhorn(logits, temperature, iterations, tolerance=0.0), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 30.0])
@pytest.mark.parametrize("size", [2, 5, 30])
def test_it_converges_to_the_doubly_stochastic_matrix_with_the_cross_ratios_of_the_logits(
    size: int, temperature: float
) -> None:
    """Sinkhorn's theorem: such a matrix is unique; multiplying rows and columns preserves all cross-ratios."""
    logits = logits_of(size, size)
    matrix = converged(logits, temperature)
    for dim in (0, 1):
        torch.testing.assert_close(matrix.sum(dim=dim), torch.ones(size).double(), rtol=0, atol=1e-10)

    def log_cross_ratios(log: Tensor) -> Tensor:
        return log + log[0, 0] - log[:1] - log[:, :1]

    expected = log_cross_ratios(logits.double() / temperature)
    torch.testing.assert_close(log_cross_ratios(matrix.log()), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("tolerance", [0.1, 1e-2, 1e-4])
@pytest.mark.parametrize("temperature", [0.2, 1.0, 1e4])
@pytest.mark.parametrize("size", [3, 64])
def test_it_stops_when_every_sum_is_within_the_tolerance(size: int, temperature: float, tolerance: float) -> None:
    logits = logits_of(size, size)
    matrix = sinkhorn(logits, temperature, max_iterations=10_000, tolerance=tolerance)
    rounding = 1e-5
    assert (matrix.sum(dim=-1) - 1).abs().max() < rounding
    assert (matrix.sum(dim=-2) - 1).abs().max() <= tolerance + rounding
    # It did stop: endless iterations give a different result, unless the first was enough.
    if temperature == 0.2:
        assert (matrix - converged(logits, temperature)).abs().max() > 1e-7


def test_it_stops_after_the_iterations_that_it_may_do() -> None:
    logits = logits_of(12, 12)
    few, many = (sinkhorn(logits, 0.05, iterations, tolerance=0.0) for iterations in (3, 300))
    assert (few.sum(dim=-2) - 1).abs().max() > 0.1 > (many.sum(dim=-2) - 1).abs().max()


def test_neither_the_level_of_a_slot_nor_of_a_patch_matters() -> None:
    logits = logits_of(9, 9)
    shifted = logits + 5 * logits_of(9).unsqueeze(0) + 5 * logits_of(9).flip(0).unsqueeze(1)
    torch.testing.assert_close(converged(shifted, 0.5), converged(logits, 0.5), rtol=0, atol=1e-6)


def test_the_temperature_is_in_units_of_the_logits() -> None:
    torch.testing.assert_close(sinkhorn(5 * logits_of(9, 9), 3.5, 7), sinkhorn(logits_of(9, 9), 0.7, 7))


def test_slots_and_patches_move_with_their_logits() -> None:
    logits, slots, patches = logits_of(9, 9), hidden_order(9), hidden_order(9).flip(0)
    moved = sinkhorn(logits[slots][:, patches], 0.7, 5)
    torch.testing.assert_close(moved, sinkhorn(logits, 0.7, 5)[slots][:, patches])


def test_each_of_a_batch_is_balanced_alone() -> None:
    logits = logits_of(2, 3, 5, 5)
    matrices = sinkhorn(logits, 0.4, 6, tolerance=0.0)
    for row in range(2):
        for column in range(3):
            torch.testing.assert_close(matrices[row, column], sinkhorn(logits[row, column], 0.4, 6, tolerance=0.0))


# --- Limits


def test_one_patch_stays() -> None:
    assert sinkhorn(torch.tensor([[-3.0]]), 0.5).tolist() == [[1.0]]


@pytest.mark.parametrize("size", [2, 16, 196])
def test_near_zero_temperature_it_is_the_order_with_the_largest_sum(size: int) -> None:
    order = hidden_order(size)
    logits = torch.rand(size, size, generator=torch.Generator().manual_seed(0))
    logits[torch.arange(size), order] += 1  # the largest of its row and of its column
    expected = torch.nn.functional.one_hot(order, size).float()
    torch.testing.assert_close(sinkhorn(logits, 1e-3), expected, rtol=0, atol=1e-3)


def test_near_zero_temperature_the_sum_counts_and_not_the_largest_logit() -> None:
    # 0.4 + 0.5 beats 0.6 + 0.1.
    matrix = sinkhorn(torch.tensor([[0.6, 0.4], [0.5, 0.1]]), 1e-3, max_iterations=1000)
    torch.testing.assert_close(matrix, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [2, 16, 1024])
def test_at_a_high_temperature_shares_are_equal(size: int) -> None:
    matrix = sinkhorn(logits_of(size, size), 1e4)
    torch.testing.assert_close(matrix, torch.full((size, size), 1 / size), rtol=1e-3, atol=0)


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
def test_equally_good_orders_are_mixed_at_any_temperature(temperature: float) -> None:
    assert sinkhorn(torch.full((4, 4), 7.0), temperature).tolist() == [[0.25] * 4] * 4
    # Slots 0 and 1 want patches 0 and 1 alike, slot 2 wants the last.
    blocks = 1e5 * torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    expected = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(sinkhorn(blocks, temperature), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("temperature", [1e-4, 0.03, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("size", [1, 2, 17, 196])
@pytest.mark.parametrize("autocast", [False, True], ids=["fp32", "bf16-autocast"])
def test_rows_are_finite_shares_and_so_is_the_gradient(
    size: int, scale: float, temperature: float, autocast: bool
) -> None:
    logits = (scale * logits_of(size, size)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        matrix = sinkhorn(logits, temperature, max_iterations=10)
        loss_of(matrix).backward()
    assert matrix.dtype == torch.float32
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(size))
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
def test_a_thousand_patches_give_finite_shares_and_gradients(temperature: float) -> None:
    logits = logits_of(1024, 1024).requires_grad_()
    matrix = sinkhorn(logits, temperature, max_iterations=2)
    loss_of(matrix).backward()
    torch.testing.assert_close(matrix.sum(dim=-1), torch.ones(1024))
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype: torch.dtype) -> None:
    logits = logits_of(16, 16).to(dtype).requires_grad_()
    matrix = sinkhorn(logits, 0.5, 5, tolerance=0.0)
    assert matrix.dtype == torch.float32
    torch.testing.assert_close(matrix, torch.tensor(naive.sinkhorn(logits.tolist(), 0.5, 5)), rtol=1e-4, atol=1e-6)
    loss_of(matrix).backward()
    assert logits.grad is not None
    assert logits.grad.dtype == dtype


# --- Forbidden slots


@pytest.mark.parametrize("temperature", [1e-4, 1.0, 1e4])
def test_a_forbidden_slot_has_no_share_and_no_gradient(temperature: float) -> None:
    logits = torch.tensor([[0.0, NEVER, 0.0], [0.0, 0.0, NEVER], [0.0, 0.0, 0.0]], requires_grad=True)
    matrix = sinkhorn(logits, temperature, tolerance=1e-6)
    loss_of(matrix).backward()
    # The free entries a, 1-a; a, 1-a; 1-2a, a, a have the cross-ratio one: (1-a)^2 (1-2a) = a^3, so a = 0.3820.
    a = (3 - math.sqrt(5)) / 2
    expected = torch.tensor([[a, 0.0, 1 - a], [a, 1 - a, 0.0], [1 - 2 * a, a, a]])
    torch.testing.assert_close(matrix, expected, rtol=1e-4, atol=0)
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 1] == logits.grad[1, 2] == 0


def test_an_order_that_is_the_only_one_allowed_is_found() -> None:
    order = hidden_order(8)
    logits = torch.full((8, 8), NEVER)
    logits[torch.arange(8), order] = logits_of(8)
    assert torch.equal(sinkhorn(logits, 1.0), torch.nn.functional.one_hot(order, 8).float())


@pytest.mark.parametrize(
    "logits",
    [
        [[NEVER, NEVER], [0.0, 0.0]],
        [[NEVER, 0.0], [NEVER, 0.0]],
        [[NEVER]],
        [[0.0, math.nan], [0.0, 0.0]],
        [[0.0, math.inf], [0.0, 0.0]],
    ],
    ids=["a slot", "a patch", "alone", "nan", "infinity"],
)
def test_what_cannot_be_balanced_is_refused(logits: list[list[float]]) -> None:
    with pytest.raises(ReorderKitError, match="NaN or infinity") as refusal:
        sinkhorn(torch.tensor([[[0.0] * len(logits)] * len(logits), logits]), 1.0)
    assert refusal.value.hint


# --- Gradients


@pytest.mark.parametrize("iterations", [1, 3, 100])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_gradients_are_those_of_the_iterations(temperature: float, iterations: int) -> None:
    logits = logits_of(2, 3, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: sinkhorn(logits, temperature, iterations, 1e-9), logits)


def test_gradients_are_those_of_the_plain_version() -> None:
    logits, weights, step = logits_of(5, 5).requires_grad_(), logits_of(5, 5, 1).squeeze(-1), 1e-5
    (sinkhorn(logits, 0.6, 4, tolerance=0.0) * weights).sum().backward()

    def loss(place: int, by: float) -> float:
        moved = logits.detach().double().flatten()
        moved[place] += by
        matrix = torch.tensor(naive.sinkhorn(moved.reshape(5, 5).tolist(), 0.6, 4), dtype=torch.float64)
        return float((matrix * weights).sum())

    expected = [(loss(place, step) - loss(place, -step)) / (2 * step) for place in range(25)]
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_equal_logits_pull_towards_what_is_rewarded() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    sinkhorn(logits, 0.5)[0, 0].backward()
    assert logits.grad is not None
    # P[0, 0] = sigmoid(x / 2) with x the log of the cross-ratio; dP/dx = 1/8, and x is the logits over 0.5.
    assert logits.grad.flatten().tolist() == pytest.approx([0.25, -0.25, -0.25, 0.25])


def test_memory_for_the_gradient_grows_by_two_vectors_with_an_iteration() -> None:
    def kept(iterations: int) -> int:
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: sizes.append(saved.numel()), lambda _: None):
            sinkhorn(logits_of(50, 50).requires_grad_(), 0.1, iterations, tolerance=0.0)
        return sum(sizes)

    assert kept(30) - kept(20) == 10 * 2 * 50
