"""Means, ratios and their intervals, against scipy's t test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reorder_kit.statistics.estimate import Estimate, mean_over_seeds, ratio_over_seeds, within_shares


@pytest.mark.parametrize("values", [[0.2, 0.8], [0.5, 0.61, 0.49, 0.52, 0.7]])
def test_the_interval_of_a_mean_is_that_of_a_t_test(values):
    estimate = mean_over_seeds(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert estimate.mean == pytest.approx(sum(values) / len(values))
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert estimate.values == tuple(values)


def test_one_seed_has_no_interval():
    assert mean_over_seeds([0.25]) == Estimate(0.25, None, None, (0.25,))


@pytest.mark.parametrize("seed", range(5))
def test_the_ends_of_a_ratio_are_where_a_t_test_is_at_five_percent(seed):
    random = np.random.RandomState(seed)
    wholes = random.normal(1.0, 0.3, 6)
    parts = 0.4 * wholes + random.normal(0, 0.2, 6)
    estimate = ratio_over_seeds(parts, wholes)
    assert estimate.mean == pytest.approx(parts.mean() / wholes.mean())
    assert estimate.low < estimate.mean < estimate.high
    for end in (estimate.low, estimate.high):
        assert stats.ttest_1samp(parts - end * wholes, 0).pvalue == pytest.approx(0.05)


def test_pairing_makes_a_ratio_exact_where_its_parts_go_together():
    estimate = ratio_over_seeds([0.3, 0.6, 0.45], [0.4, 0.8, 0.6])
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((0.75, 0.75, 0.75), abs=1e-6)


@pytest.mark.parametrize(
    "wholes",
    [[0.1, -0.1, 0.2], [-1.0, -1.1, -0.9], [0.0, 0.0, 0.0], [1.0]],
    ids=["noise", "below 0", "nothing", "one seed"],
)
def test_there_is_no_share_of_what_is_not_surely_there(wholes):
    assert ratio_over_seeds([0.1] * len(wholes), wholes) is None


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.5), "0.500"),
        (Estimate(0.5, 0.4, 0.6), "0.500 ± 0.100"),
        (Estimate(0.5, 0.45, 0.6), "0.500 (0.450 to 0.600)"),
    ],
)
def test_an_estimate_in_words(estimate, text):
    assert str(estimate) == text


def test_a_figure_without_an_interval_ends_where_it_is():
    assert Estimate(0.5).ends == (0.5, 0.5, 0.5)
    assert Estimate(0.5, 0.4, 0.7).ends == (0.5, 0.4, 0.7)


def test_the_interval_of_shares_ends_at_0_and_1():
    # The mean of 1, 1 and 0.94 is 0.98; its standard error is 0.02 and t is 4.3027, so Student's interval is +- 0.0861.
    score = mean_over_seeds([1.0, 1.0, 0.94])
    assert (score.low, score.high) == pytest.approx((0.8939, 1.0661), abs=1e-4)
    within = within_shares(score)
    assert (within.low, within.high) == pytest.approx((0.8939, 1.0), abs=1e-4)
    assert (within.mean, within.values) == (score.mean, score.values)
    low = within_shares(mean_over_seeds([0.0, 0.0, 0.06]))
    assert (low.low, low.high) == pytest.approx((0.0, 0.1061), abs=1e-4)
    assert within_shares(mean_over_seeds([0.5])) == mean_over_seeds([0.5])
    inside = mean_over_seeds([0.4, 0.5])
    assert within_shares(mean_over_seeds([0.45, 0.5])).low > 0.0
    assert within_shares(inside).high == min(1.0, inside.high)
