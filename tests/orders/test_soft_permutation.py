"""Soft permutations: equal to hard orders for zeros and ones, and their behavior for shares in between."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.soft_permutation import SoftPermutation

STATIC = Order([2, 0, 1])
GROUPED = Order(torch.tensor([[2, 0, 1], [1, 0, 2]]), groups=torch.tensor([0, 1, 1]))
PER_IMAGE = Order(torch.tensor([[0, 1, 2], [2, 1, 0], [1, 2, 0]]))
PARTIAL = Order([2, 0], num_patches=3)
FULL = [STATIC, GROUPED, PER_IMAGE]


def patches_of(images: int = 3, patches: int = 3, dim: int = 4) -> Tensor:
    return torch.randn(images, patches, dim, generator=torch.Generator().manual_seed(0))


def row_stochastic(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).softmax(dim=-1)


def softsort_like(scores: list[float], temperature: float) -> Tensor:
    """Rows sum to one, columns do not: shares fall with the distance to the score that belongs in the slot."""
    given_scores = torch.tensor(scores)
    descending = given_scores.sort(descending=True).values
    return (-(descending[:, None] - given_scores).abs() / temperature).softmax(dim=-1)


def test_a_hard_order_has_a_matrix_of_ones_and_zeros() -> None:
    assert SoftPermutation.from_order(STATIC).matrix.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert SoftPermutation.from_order(PARTIAL).matrix.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert SoftPermutation.from_order(STATIC, torch.float64).matrix.dtype == torch.float64
    second_image = SoftPermutation.from_order(GROUPED).matrix[1]
    assert second_image.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("order", [*FULL, PARTIAL])
def test_ones_and_zeros_do_what_the_hard_order_does(order: Order) -> None:
    hard, patches = SoftPermutation.from_order(order), patches_of()
    slots = order.apply(patches)
    assert torch.equal(hard.apply(patches), slots)
    assert torch.equal(hard.restore(slots), order.restore(slots))
    assert torch.equal(hard.to_order().per_image(3), order.per_image(3))


@pytest.mark.parametrize("order", FULL)
def test_ones_and_zeros_invert_and_compose_as_the_hard_order(order: Order) -> None:
    hard = SoftPermutation.from_order(order)
    assert torch.equal(hard.inverse().matrix, SoftPermutation.from_order(order.inverse()).matrix)
    for then in FULL:
        composed = hard.compose(SoftPermutation.from_order(then)).matrix
        expected = SoftPermutation.from_order(order.compose(then)).matrix
        assert torch.equal(composed.expand(3, 3, 3), expected.expand(3, 3, 3))


def test_a_slot_holds_the_shares_of_its_patches() -> None:
    soft = SoftPermutation(torch.tensor([[0.75, 0.25], [0.5, 0.5]]))
    assert soft.apply(torch.tensor([[[4.0], [8.0]]])).tolist() == [[[5.0], [6.0]]]


def test_restore_weighs_slots_by_their_share_of_the_patch() -> None:
    # patch 0 has shares .75 and .5, so slots 0 and 1 count 3/5 and 2/5; patch 1 has .25 and .5: 1/3 and 2/3
    soft = SoftPermutation(torch.tensor([[0.75, 0.25], [0.5, 0.5]]))
    restored = soft.restore(torch.tensor([[[10.0], [20.0]]]))
    assert torch.allclose(restored, torch.tensor([[[14.0], [50 / 3]]]))


@pytest.mark.parametrize("temperature", [0.01, 0.3, 1.0, 10.0])
def test_restore_neither_rescales_nor_erases_patches(temperature: float) -> None:
    # three close scores and a far one: column sums are far from one
    matrix = softsort_like([0.0, 2.0, 2.1, 2.2], temperature)
    soft = SoftPermutation(matrix)
    assert torch.allclose(soft.inverse().matrix.sum(dim=-1), torch.ones(4))
    assert torch.allclose(soft.restore(torch.ones(2, 4, 3)), torch.ones(2, 4, 3))
    restored = soft.restore(soft.apply(patches_of(2, 4)))
    low, high = patches_of(2, 4).amin(dim=1, keepdim=True), patches_of(2, 4).amax(dim=1, keepdim=True)
    assert ((restored >= low - 1e-6) & (restored <= high + 1e-6)).all()


def test_a_plain_transpose_would_rescale() -> None:
    columns = softsort_like([0.0, 2.0, 2.1, 2.2], 1.0).sum(dim=0)
    assert (columns - 1).abs().max() > 0.1


def test_a_patch_without_a_share_becomes_zero_with_a_finite_gradient() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    soft = SoftPermutation(logits.softmax(dim=-1)).straight_through(PARTIAL)
    restored = soft.restore(patches_of(1, 2))
    assert restored[0, 1].tolist() == [0, 0, 0, 0]
    restored.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() < 100


def test_composing_is_applying_one_after_the_other() -> None:
    first, then = SoftPermutation(row_stochastic(3, 4, 4)), SoftPermutation(row_stochastic(4, 4, seed=1))
    patches = patches_of(3, 4)
    assert torch.allclose(first.compose(then).apply(patches), then.apply(first.apply(patches)), atol=1e-6)
    assert torch.allclose(first.compose(then).matrix.sum(dim=-1), torch.ones(3, 4))


@pytest.mark.parametrize(
    ("matrix", "residual"),
    [
        ([[0.0, 1.0], [1.0, 0.0]], 0.0),
        ([[0.5, 0.5], [0.5, 0.5]], 0.0),
        ([[0.75, 0.25], [0.5, 0.5]], 0.25),
        ([[0.5, 0.5], [0.25, 0.5]], 0.25),
        ([[1.0, 0.0], [1.0, 0.0]], 1.0),
        ([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.5, 0.5]]], 0.5),
    ],
)
def test_residual_is_the_largest_miss_of_a_row_or_column(matrix: list, residual: float) -> None:
    assert SoftPermutation(torch.tensor(matrix)).residual() == pytest.approx(residual)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (4, 4), (2, 3), (1, 4), (3, 4)])
@pytest.mark.parametrize("seed", range(10))
def test_the_nearest_order_has_the_largest_total_share_of_all(shape: tuple[int, int], seed: int) -> None:
    matrix = row_stochastic(*shape, seed=seed)
    slots, patches = shape
    candidates = list(itertools.permutations(range(patches), slots))
    totals = [sum(matrix[slot, patch] for slot, patch in enumerate(candidate)) for candidate in candidates]
    best = candidates[int(torch.tensor(totals).argmax())]
    nearest = SoftPermutation(matrix).to_order()
    assert nearest.indices.tolist() == list(best)
    assert nearest.num_patches == patches


def test_the_nearest_order_is_not_the_greedy_one() -> None:
    # the largest share is not used: 0.4 + 0.5 beats 0.6 + 0.1
    soft = SoftPermutation(torch.tensor([[0.6, 0.4], [0.5, 0.1]]))
    assert soft.to_order() == Order([1, 0])


def test_every_image_has_its_nearest_order() -> None:
    matrices = row_stochastic(3, 4, 4)
    nearest = SoftPermutation(matrices).to_order()
    assert nearest.indices.tolist() == [SoftPermutation(matrix).to_order().indices.tolist() for matrix in matrices]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finds_the_nearest_order_in_every_precision(dtype: torch.dtype) -> None:
    soft = SoftPermutation(SoftPermutation.from_order(PER_IMAGE).matrix.to(dtype).requires_grad_())
    assert soft.to_order() == PER_IMAGE


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
def test_shares_that_are_no_numbers_have_no_nearest_order(broken: float) -> None:
    matrices = row_stochastic(2, 3, 3)
    matrices[1, 2, 0] = broken
    with pytest.raises(ReorderKitError, match="NaN or infinity") as refusal:
        SoftPermutation(matrices).to_order()
    assert refusal.value.hint


@pytest.mark.parametrize("order", [*FULL, PARTIAL])
def test_straight_through_is_hard_forward_and_soft_backward(order: Order) -> None:
    logits = torch.randn(order.num_slots, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    soft = SoftPermutation(logits.softmax(dim=-1))
    patches, weights = patches_of(), patches_of(3, order.num_slots)
    through = soft.straight_through(order)
    assert torch.equal(through.apply(patches), order.apply(patches))
    (gradient,) = torch.autograd.grad((through.apply(patches) * weights).sum(), logits, retain_graph=True)
    (expected,) = torch.autograd.grad((soft.apply(patches) * weights).sum(), logits)
    assert expected.abs().max() > 0.01
    assert torch.allclose(gradient, expected, atol=1e-6)


@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_straight_through_is_exact_for_every_share(shares: list[float]) -> None:
    soft = SoftPermutation(torch.tensor(shares).reshape(2, 2))
    assert soft.straight_through(Order([1, 0])).matrix.tolist() == [[0, 1], [1, 0]]


def test_straight_through_gives_patches_their_hard_gradient() -> None:
    patches = patches_of().requires_grad_()
    through = SoftPermutation(row_stochastic(3, 3)).straight_through(STATIC)
    (through.apply(patches) * torch.tensor([1.0, 2.0, 3.0])[:, None]).sum().backward()
    assert patches.grad[0, :, 0].tolist() == [2, 3, 1]


def test_compares_by_its_nearest_order() -> None:
    soft = SoftPermutation(0.9 * SoftPermutation.from_order(Order([0, 3, 1, 2])).matrix + 0.025)
    assert soft.kendall_tau(Order([0, 1, 2, 3])) == pytest.approx(1 / 3)
    assert soft.mean_rank_shift(Order([0, 1, 2, 3])) == pytest.approx(1.0)
    assert soft.adjacency(Grid(2, 2)) == pytest.approx(1 / 3)


def test_keeps_the_precision_of_the_patches() -> None:
    soft = SoftPermutation(row_stochastic(3, 3))
    assert soft.apply(patches_of().bfloat16()).dtype == torch.bfloat16
    assert soft.restore(patches_of().double()).dtype == torch.float64


def test_refuses_other_patches_or_images() -> None:
    with pytest.raises(ReorderKitError, match="of 3 patches was given 4"):
        SoftPermutation(row_stochastic(3, 3)).apply(patches_of(2, 4))
    with pytest.raises(ReorderKitError, match="made for 3 images was given 1"):
        SoftPermutation(row_stochastic(3, 3, 3)).apply(patches_of(1, 3))
    with pytest.raises(ReorderKitError, match="made for 3 images was given 2"):
        SoftPermutation(row_stochastic(3, 3, 3)).restore(patches_of(2, 3))


@pytest.mark.parametrize("shape", [(3, 3), (2, 3), (4, 3, 3)])
def test_loads_what_it_saves(shape: tuple[int, ...], tmp_path: Path) -> None:
    matrix = row_stochastic(*shape).requires_grad_()
    SoftPermutation(matrix).save(tmp_path / "soft.safetensors")
    assert torch.equal(SoftPermutation.load(tmp_path / "soft.safetensors").matrix, matrix)


def test_saves_a_transposed_matrix(tmp_path: Path) -> None:
    matrix = row_stochastic(3, 3)
    SoftPermutation(matrix.T).save(tmp_path / "soft.safetensors")
    assert torch.equal(SoftPermutation.load(tmp_path / "soft.safetensors").matrix, matrix.T)


def test_refuses_to_load_what_is_no_soft_permutation(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("not a matrix")
    save_file({"weight": torch.zeros(2)}, tmp_path / "weights.safetensors")
    for name, message in [("absent", "No such file"), ("text", "cannot be read"), ("weights", "no soft permutation")]:
        path = tmp_path / f"{name}.safetensors"
        with pytest.raises(ReorderKitError, match=message) as refusal:
            SoftPermutation.load(path)
        assert str(path) in refusal.value.message
