"""Measures of an order: Kendall's tau, mean rank shift and adjacency."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

STATIC = Order([2, 0, 1])
GROUPED = Order(torch.tensor([[2, 0, 1], [1, 0, 2]]), groups=torch.tensor([0, 1, 1]))
PER_IMAGE = Order(torch.tensor([[0, 1, 2], [2, 1, 0], [1, 2, 0]]))

permutations = st.integers(2, 9).flatmap(lambda patches: st.permutations(range(patches)))


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        # of the pairs of patches, (agreeing - disagreeing) / all
        ([0, 1, 2], [0, 1, 2], 1.0),
        ([0, 1, 2], [2, 1, 0], -1.0),
        ([0, 1, 2], [0, 2, 1], 1 / 3),
        ([0, 1, 2], [1, 2, 0], -1 / 3),
        ([0, 1, 2, 3], [1, 0, 3, 2], 1 / 3),
        ([3, 0, 1, 2], [3, 1, 0, 2], 2 / 3),
        ([0], [0], 1.0),
    ],
)
def test_kendall_tau_worked_out_by_hand(first: list[int], second: list[int], tau: float) -> None:
    assert Order(first).kendall_tau(Order(second)) == pytest.approx(tau)


@given(st.integers(2, 9).flatmap(lambda n: st.tuples(*[st.permutations(range(n))] * 2)))
def test_kendall_tau_counts_pairs_that_stand_the_same_way_round(pair: tuple[list[int], list[int]]) -> None:
    first, second = pair
    patches = range(len(first))
    agreeing = [
        (first.index(a) < first.index(b)) == (second.index(a) < second.index(b))
        for a in patches
        for b in patches
        if a < b
    ]
    expected = (2 * sum(agreeing) - len(agreeing)) / len(agreeing)
    tau = Order(first).kendall_tau(Order(second))
    assert tau == pytest.approx(expected)
    assert tau == pytest.approx(kendalltau([first.index(a) for a in patches], [second.index(a) for a in patches])[0])


@given(permutations)
def test_kendall_tau_of_the_reverse_is_minus_one(permutation: list[int]) -> None:
    assert Order(permutation).kendall_tau(Order(permutation[::-1])) == pytest.approx(-1)
    assert Order(permutation).kendall_tau(Order(permutation)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second", "shift"),
    [
        ([0, 1, 2], [0, 1, 2], 0.0),
        ([0, 1, 2], [2, 1, 0], 4 / 3),
        ([0, 1, 2, 3], [3, 0, 1, 2], 6 / 4),
        ([2, 0, 1], [2, 1, 0], 2 / 3),
        ([0], [0], 0.0),
    ],
)
def test_mean_rank_shift_worked_out_by_hand(first: list[int], second: list[int], shift: float) -> None:
    assert Order(first).mean_rank_shift(Order(second)) == pytest.approx(shift)
    assert Order(second).mean_rank_shift(Order(first)) == pytest.approx(shift)


partial_pairs = st.integers(2, 8).flatmap(
    lambda n: st.tuples(*[st.tuples(st.permutations(range(n)), st.integers(1, n))] * 2)
)


def places(kept: list[int], patches: int) -> list[int]:
    """The slot of each patch; those left out share the slot after the end."""
    return [kept.index(patch) if patch in kept else patches for patch in range(patches)]


@given(partial_pairs)
def test_orders_that_leave_patches_out_are_compared_pair_by_pair(
    pair: tuple[tuple[list[int], int], tuple[list[int], int]],
) -> None:
    (first, kept), (second, others_kept) = pair
    patches = len(first)
    one, other = places(first[:kept], patches), places(second[:others_kept], patches)
    signs = [
        ((one[a] > one[b]) - (one[a] < one[b]), (other[a] > other[b]) - (other[a] < other[b]))
        for a in range(patches)
        for b in range(a)
    ]
    # Agreeing minus disagreeing pairs, divided by the geometric mean of the pairs not tied in each.
    agreement = sum(a * b for a, b in signs)
    tau = agreement / math.sqrt(sum(a * a for a, _ in signs) * sum(b * b for _, b in signs))
    orders = Order(first[:kept], patches), Order(second[:others_kept], patches)
    assert orders[0].kendall_tau(orders[1]) == pytest.approx(tau)
    assert orders[1].kendall_tau(orders[0]) == pytest.approx(tau)
    shift = sum(abs(a - b) for a, b in zip(one, other, strict=True)) / patches
    assert orders[0].mean_rank_shift(orders[1]) == pytest.approx(shift)


@pytest.mark.parametrize(
    ("first", "second", "tau", "shift"),
    [
        ([2, 0], [2, 0], 1.0, 0.0),
        # patch 1 moves from slot 2 to none, which counts as 3: no pair is reversed
        ([2, 0, 1], [2, 0], 1.0, 1 / 3),
        # the pairs of 2 with 0 and 1 are reversed; 0 and 1 are tied in both
        ([2], [0, 1, 2], -2 / math.sqrt(2 * 3), 7 / 3),
    ],
)
def test_orders_that_leave_patches_out_worked_out_by_hand(
    first: list[int], second: list[int], tau: float, shift: float
) -> None:
    assert Order(first, 3).kendall_tau(Order(second, 3)) == pytest.approx(tau)
    assert Order(first, 3).mean_rank_shift(Order(second, 3)) == pytest.approx(shift)


@pytest.mark.parametrize("other", [GROUPED, PER_IMAGE])
def test_only_static_orders_are_compared(other: Order) -> None:
    for compare in (STATIC.kendall_tau, STATIC.mean_rank_shift, other.kendall_tau, other.mean_rank_shift):
        with pytest.raises(ReorderKitError, match="only orders that are the same for all images"):
            compare(other)


def test_orders_of_different_patches_are_not_compared() -> None:
    with pytest.raises(ReorderKitError, match="of 3 and 4 patches cannot be compared"):
        STATIC.kendall_tau(Order.identity(4))


@pytest.mark.parametrize(
    ("indices", "grid", "share"),
    [
        # rows of three: the two steps to the next row are not between neighbors
        (list(range(9)), "3x3", 6 / 8),
        ([0, 1, 2, 5, 4, 3, 6, 7, 8], "3x3", 1.0),
        ([0, 4, 8, 2, 6, 1, 5, 3, 7], "3x3", 0.0),
        ([0, 3, 1, 2], "2x2", 1 / 3),
        ([0, 3, 1, 2], "1x4", 1 / 3),
        ([0], "1x1", 1.0),
        # the last of the first frame is far from the first of the second
        ([0, 1, 2, 3, 4, 5], "2x1x3", 4 / 5),
        ([0, 1, 2, 5, 4, 3], "2x1x3", 1.0),
        # half of the patches: 0 and 1 share an edge, 1 and 5 do not
        ([0, 1, 5], "2x3", 1 / 2),
        ([4], "2x3", 1.0),
    ],
)
def test_adjacency_worked_out_by_hand(indices: list[int], grid: str, share: float) -> None:
    cut = Grid.parse(grid)
    assert Order(indices, cut.num_patches).adjacency(cut) == pytest.approx(share)


def test_adjacency_needs_a_static_order_of_the_grid() -> None:
    with pytest.raises(ReorderKitError, match="2x2 grid's 4 patches"):
        STATIC.adjacency(Grid(2, 2))
    with pytest.raises(ReorderKitError, match="static"):
        PER_IMAGE.adjacency(Grid(1, 3))
