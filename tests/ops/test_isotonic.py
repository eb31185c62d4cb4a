"""Soft ranks and soft sorting: hand-worked cases, the plain version, the definition, and the limits."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.ops import isotonic
from reorder_kit.ops.isotonic import soft_rank, soft_sort
from reorder_kit.ops.naive import isotonic as naive

STRENGTHS = [1e-4, 0.3, 1.0, 5.0, 1e4]
OPERATORS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "rank": partial(soft_rank, backend="torch"),
    "sort": partial(soft_sort, backend="torch"),
}
NAIVE = {"rank": naive.soft_rank, "sort": naive.soft_sort}
both = pytest.mark.parametrize("which", OPERATORS)
every_strength = pytest.mark.parametrize("strength", STRENGTHS)


def scores_of(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape) + len(shape))
    return (3 * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)


def gradient_of(which: str, scores: Tensor, strength: float, weights: Tensor) -> Tensor:
    scores = scores.clone().requires_grad_()
    return torch.autograd.grad((OPERATORS[which](scores, strength) * weights).sum(), scores)[0]


# --- By hand


def test_ranks_are_worked_out_by_hand() -> None:
    # At strength 2, scores 4 and 3 share slots 1 and 2: half a slot apart around 1.5. The others are alone.
    assert soft_rank(torch.tensor([7.0, 0.0, 4.0, 3.0]), 2.0).tolist() == [0, 3, 1.25, 1.75]
    # At strength 8 they are one pool: a rank is 1.5 plus an eighth of what the mean, 3.5, is above the score.
    expected = [1.5 - 3.5 / 8, 1.5 + 3.5 / 8, 1.5 - 0.5 / 8, 1.5 + 0.5 / 8]
    assert soft_rank(torch.tensor([7.0, 0.0, 4.0, 3.0]), 8.0).tolist() == expected


def test_sorted_scores_are_worked_out_by_hand() -> None:
    # At strength 1/2, scores more than 2 apart mix: 4 and 1 become their mean 2.5, with a fall of 2. 0 is left alone.
    assert soft_sort(torch.tensor([0.0, 4.0, 1.0]), 0.5).tolist() == [3.5, 1.5, 0]
    # At strength 4 all do: the mean 5/3, with falls of 1/4.
    expected = [5 / 3 + 1 / 4, 5 / 3, 5 / 3 - 1 / 4]
    assert soft_sort(torch.tensor([0.0, 4.0, 1.0]), 4.0).tolist() == pytest.approx(expected)


def test_gradients_are_worked_out_by_hand() -> None:
    scores, weights = torch.tensor([7.0, 0.0, 4.0, 3.0]), torch.tensor([10.0, 20.0, 5.0, 1.0])
    # In the pool of 4 and 3, the mean weight, 3, less the own, over the strength; alone, nothing.
    assert gradient_of("rank", scores, 2.0, weights).tolist() == [0, 0, -1, 1]
    # The pool of 4 and 1 has slots 0 and 1, whose mean weight is 15; patch 0 is alone in slot 2.
    assert gradient_of("sort", torch.tensor([0.0, 4.0, 1.0]), 0.5, weights[:3]).tolist() == [5, 15, 15]


# --- The plain version, and the definition


@both
@every_strength
@pytest.mark.parametrize("size", [1, 2, 7, 64, 196])
def test_it_equals_the_plain_version(which: str, size: int, strength: float) -> None:
    scores = scores_of(size)
    expected = torch.tensor(NAIVE[which](scores.tolist(), strength))
    torch.testing.assert_close(OPERATORS[which](scores, strength), expected, rtol=1e-6, atol=1e-5)


@both
@pytest.mark.parametrize("strength", [0.3, 1.0, 5.0, 100.0])
def test_gradients_are_those_of_the_plain_version(which: str, strength: float) -> None:
    scores, weights = scores_of(8, dtype=torch.float64), scores_of(8, dtype=torch.float64)
    step = 1e-6

    def shifted(patch: int, by: float) -> float:
        moved = scores.tolist()
        moved[patch] += by
        return float(torch.tensor(NAIVE[which](moved, strength), dtype=torch.float64) @ weights)

    expected = [(shifted(patch, step) - shifted(patch, -step)) / (2 * step) for patch in range(8)]
    assert gradient_of(which, scores, strength, weights).tolist() == pytest.approx(expected, abs=1e-6)


@both
@pytest.mark.parametrize("strength", [0.05, 1.0, 20.0])
def test_gradients_pass_gradcheck(which: str, strength: float) -> None:
    scores = scores_of(2, 5, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: OPERATORS[which](values, strength), scores)
    assert torch.autograd.gradgradcheck(lambda values: OPERATORS[which](values, strength).sin(), scores)


@every_strength
def test_ranks_are_the_nearest_average_of_hard_ranks(strength: float) -> None:
    # A point of a polytope is nearest to a target if no vertex is further in the direction of the target.
    scores = scores_of(5, dtype=torch.float64)
    ranks, target = OPERATORS["rank"](scores, strength), -scores / strength
    vertices = torch.tensor(list(itertools.permutations(range(5))), dtype=torch.float64)
    assert ((vertices - ranks) @ (target - ranks)).max() < 1e-9 * max(1, float(target.abs().max()))
    # It lies in the polytope: its largest few sum to no more than the largest few ranks, and all of them to as much.
    largest = ranks.sort(descending=True).values.cumsum(0)
    assert (largest <= torch.tensor([4.0, 7.0, 9.0, 10.0, 10.0]) + 1e-9).all()
    assert float(largest[-1]) == pytest.approx(10)


@pytest.mark.parametrize("shape", [(1,), (2,), (1024,), (3, 2, 50)])
def test_the_pools_are_those_of_scipy(shape: tuple[int, ...]) -> None:
    # Slowly, from more than the strength to less: pools grow by a slot in each round.
    curved = torch.linspace(2, 0, shape[-1], dtype=torch.float64).square().expand(shape) * shape[-1] / 2
    for values in (scores_of(*shape, dtype=torch.float64), curved + torch.arange(shape[-1])):
        pools = isotonic._pools(values, "torch").reshape(-1, shape[-1])
        for row, first in zip(values.reshape(-1, shape[-1]).numpy(), pools.numpy(), strict=True):
            blocks = isotonic_regression(row, increasing=False).blocks
            assert np.array_equal(np.unique(first), blocks[:-1])
            assert np.array_equal(first, np.repeat(blocks[:-1], np.diff(blocks)))


# --- Limits


@both
@every_strength
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("size", [1, 2, 17, 1024])
def test_results_and_gradients_are_finite_and_keep_their_sum(
    which: str, size: int, scale: float, strength: float
) -> None:
    scores = scale * scores_of(size)
    result = OPERATORS[which](scores, strength).double()
    total = scores.double().sum() if which == "sort" else torch.tensor(size * (size - 1) / 2, dtype=torch.float64)
    torch.testing.assert_close(result.sum(), total, rtol=1e-5, atol=1e-5 * float(result.abs().max()))
    assert gradient_of(which, scores, strength, scores_of(size)).isfinite().all()
    if which == "rank":
        assert result.min() >= 0
        assert result.max() <= size - 1
        assert (result[scores.argsort(descending=True)].diff() >= 0).all()
    else:
        assert (result.diff() <= 0).all()


@pytest.mark.parametrize("size", [2, 196, 1024])
def test_near_zero_strength_ranks_and_sorted_scores_are_exactly_hard(size: int) -> None:
    # In float32, the usual difference between the regression and its input is off by a half here.
    scores = scores_of(size)
    assert torch.equal(OPERATORS["rank"](scores, 1e-9), scores.argsort(descending=True).argsort().float())
    assert torch.equal(OPERATORS["sort"](scores, 1e-4), scores.sort(descending=True).values)


def test_at_a_high_strength_ranks_are_the_mean_slot_and_sorted_scores_the_mean_score() -> None:
    scores = scores_of(9)
    torch.testing.assert_close(OPERATORS["rank"](scores, 1e9), torch.full((9,), 4.0))
    torch.testing.assert_close(OPERATORS["sort"](scores, 1e9), scores.mean().expand(9))


def test_evenly_spaced_scores_are_one_pool_from_a_strength_of_their_distance_on() -> None:
    scores, weights = torch.tensor([0.0, 3.0, 1.0, 2.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert OPERATORS["rank"](scores, 1.0).tolist() == [3, 0, 2, 1]
    assert gradient_of("rank", scores, 1.0, weights).tolist() == [1.5, 0.5, -0.5, -1.5]
    assert gradient_of("rank", scores, 0.999, weights).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("strength", [1e-4, 0.1])
@pytest.mark.parametrize("level", [0.0, -7.3, 1e30])
def test_equal_scores_share_their_slots(level: float, strength: float) -> None:
    higher, lower = level + max(1, abs(level)), level - max(1, abs(level))
    scores = torch.tensor([level, higher, level, lower, level])
    assert OPERATORS["rank"](scores, strength).tolist() == [2, 0, 2, 4, 2]
    assert gradient_of("rank", scores, strength, torch.ones(5)).tolist() == [0] * 5
    assert torch.equal(OPERATORS["sort"](scores, 1e-4 / max(1, abs(level))), scores.sort(descending=True).values)


def test_all_equal_scores_have_a_finite_gradient() -> None:
    for which in OPERATORS:
        assert gradient_of(which, torch.zeros(4), 1e-4, scores_of(4)).isfinite().all()


def test_patches_move_with_their_scores() -> None:
    scores, order = scores_of(9), torch.randperm(9, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(OPERATORS["rank"](scores[order], 2.0), OPERATORS["rank"](scores, 2.0)[order])
    torch.testing.assert_close(OPERATORS["sort"](scores[order], 2.0), OPERATORS["sort"](scores, 2.0))


def test_the_strength_is_in_units_of_the_scores_for_ranks_and_in_their_inverse_for_sorting() -> None:
    scores = scores_of(9)
    torch.testing.assert_close(OPERATORS["rank"](5 * scores + 2, 5 * 0.7), OPERATORS["rank"](scores, 0.7))
    torch.testing.assert_close(OPERATORS["sort"](5 * scores + 2, 0.7 / 5), 5 * OPERATORS["sort"](scores, 0.7) + 2)


@both
def test_each_of_a_batch_is_computed_alone(which: str) -> None:
    scores = scores_of(2, 3, 20)
    results = OPERATORS[which](scores, 1.0)
    assert results.shape == (2, 3, 20)
    for row, column in itertools.product(range(2), range(3)):
        torch.testing.assert_close(results[row, column], OPERATORS[which](scores[row, column], 1.0))


@both
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_is_computed_widely(which: str, autocast: bool) -> None:
    scores = scores_of(16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        result = OPERATORS[which](scores, 0.5)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, torch.tensor(NAIVE[which](scores.tolist(), 0.5)), rtol=1e-6, atol=1e-6)
    assert OPERATORS[which](scores.double(), 0.5).dtype == torch.float64


# --- Backends


@pytest.fixture
def without_torchsort(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "torchsort", None)
    monkeypatch.setitem(sys.modules, "torchsort.isotonic_cpu", None)
    isotonic._kernel.cache_clear()
    yield
    isotonic._kernel.cache_clear()


@pytest.mark.usefixtures("without_torchsort")
def test_without_torchsort_auto_does_without_and_asking_for_it_is_an_error() -> None:
    assert soft_rank(torch.tensor([2.0, 5.0]), 0.1).tolist() == [1, 0]
    with pytest.raises(ReorderKitError, match="torchsort cannot be used on cpu") as raised:
        soft_sort(torch.tensor([2.0, 5.0]), 0.1, backend="torchsort")
    assert "pip install --no-build-isolation torchsort" in str(raised.value)
