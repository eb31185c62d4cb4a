"""Holm's correction, equivalence tests and effect sizes: by hand, and against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from reorder_kit.statistics.effect_size import effect_size
from reorder_kit.statistics.equivalence import equivalence_test
from reorder_kit.statistics.holm import holm


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([], []),
        ([0.02], [0.02]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.5, 0.5], [1.0, 1.0]),
        ([0.02, 0.01], [0.02, 0.02]),
    ],
)
def test_holm_by_hand(p_values, corrected):
    assert holm(p_values) == pytest.approx(corrected)


@pytest.mark.parametrize("count", [1, 2, 5, 30])
def test_holm_against_statsmodels(count):
    random = np.random.RandomState(count)
    for _ in range(2):  # each of their calls collects garbage
        p_values = (random.uniform(size=count) ** 2).round(2)  # rounded, so that there are ties
        assert holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize("seeds", [2, 3, 8, 20])
@pytest.mark.parametrize("shift", [-0.03, 0.0, 0.005, 0.02, 0.05])
def test_equivalence_against_statsmodels(seeds, shift):
    first, second = np.random.RandomState(seeds).normal(0.9, 0.02, (2, seeds))
    expected = ttost_paired(first + shift, second, -0.02, 0.02)[0]
    assert equivalence_test((first + shift - second).tolist(), 0.02) == pytest.approx(expected)


def test_equivalence_by_hand():
    # The margin is one standard error from the mean, and t with one degree of freedom is above 1 in a quarter of cases.
    assert equivalence_test([0.01, -0.01], 0.01) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("differences", "p"), [([0.0, 0.0], 0.0), ([0.01] * 4, 0.0), ([0.03] * 4, 1.0), ([0.5] * 2, 1.0), ([0.0], 1.0)]
)
def test_differences_that_do_not_vary(differences, p):
    assert equivalence_test(differences, 0.02) == p


def test_equivalence_is_claimed_in_one_of_twenty_at_the_margin():
    differences = np.random.RandomState(0).normal(0.02, 0.005, (2000, 8))
    found = np.mean([equivalence_test(each.tolist(), 0.02) < 0.05 for each in differences])
    assert abs(found - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize(
    ("differences", "size"),
    [([1.0, 2.0, 3.0], 2.0), ([-3.0, -1.0], -np.sqrt(2)), ([0.1], None), ([0.0, 0.0], None), ([0.1, 0.3 - 0.2], None)],
)
def test_effect_sizes_by_hand(differences, size):
    found = effect_size(differences)
    assert found is None if size is None else found == pytest.approx(size)
