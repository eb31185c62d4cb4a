"""The paired t-test for more than two rows, with its correction for similar rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reorder_kit.statistics.paired_t import paired_t_test, sphericity


def test_a_row_that_is_there_twice_changes_nothing():
    """Three rows with one difference between them have half the degrees of freedom: those of two rows."""
    one, other = np.array([0.9, 0.8, 0.7, 0.9]), np.array([0.8, 0.6, 0.4, 0.85])
    twice = np.stack([one, one, other], axis=1)
    assert sphericity(twice) == pytest.approx(0.5)
    assert paired_t_test(twice, 0) == pytest.approx(stats.ttest_rel(one, other).pvalue)


def test_rows_that_differ_alike_need_no_correction():
    """Residuals of three rows whose differences have equal variances, worked out by hand: F(2, 4) of 0.03 / 0.01."""
    residuals = 0.1 * np.array([[1, -1, 0], [0, 1, -1], [-1, 0, 1]]) / np.sqrt(1.5)
    scores = residuals + np.array([0.4, 0.5, 0.6])
    assert sphericity(scores) == pytest.approx(1.0)
    assert paired_t_test(scores, 0) == pytest.approx(stats.f.sf(3.0, 2, 4))


@pytest.mark.parametrize("orders", [12, 88])
def test_families_of_orders_that_resemble_each_other_raise_no_false_alarms(orders):
    """Without the correction it is about 1 in 10 and 1 in 4."""
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        families = random.normal(size=(8, 4))[:, np.arange(orders) % 4]
        alarms += paired_t_test(families + 0.7 * random.normal(size=(8, orders)), 0) < 0.05
    assert alarms <= 0.05 * 400


def test_large_differences_between_many_orders_are_found():
    random = np.random.default_rng(0)
    steps = np.linspace(0, 4, 88)
    assert all(paired_t_test(random.normal(size=(8, 88)) + steps, 0) < 0.001 for _ in range(20))
