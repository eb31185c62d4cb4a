"""Kendall's rank correlation against scipy's, to the last digit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from reorder_kit.orders.kendall_tau import kendall_tau

rankings = st.integers(2, 40).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, size), min_size=size, max_size=size)] * 2)
)
permutations = st.integers(2, 40).flatmap(lambda size: st.tuples(*[st.permutations(range(size))] * 2))


@given(st.one_of(rankings, permutations))
def test_it_is_that_of_scipy_with_ties_and_without(pair: tuple[list[int], list[int]]) -> None:
    first, second = pair
    expected = float(kendalltau(first, second).statistic)
    assert kendall_tau(first, second) == expected or (math.isnan(expected) and math.isnan(kendall_tau(first, second)))


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([0, 1, 2, 3], [3, 2, 1, 0], -1.0),
        ([0, 1, 2], [0, 1, 1], 2 / math.sqrt(3 * 2)),  # two pairs agree; one distinguishes three pairs, both two
        ([0, 1, 1], [1, 0, 1], -1 / 2),  # one pair disagrees; each ranking distinguishes two pairs
    ],
)
def test_worked_out_by_hand(first: list[int], second: list[int], tau: float) -> None:
    assert kendall_tau(first, second) == pytest.approx(tau)
