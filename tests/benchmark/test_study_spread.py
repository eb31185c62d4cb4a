"""The spread of scores over orders, corrected for seeds."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark_scripts import script

with script("study_spread") as study_spread:
    SPREAD, REPORT = study_spread.spread, study_spread.report


def test_orders_that_add_the_same_in_every_seed_spread_by_their_standard_deviation():
    of_orders, of_seeds = np.array([0.0, 0.1, 0.2]), np.array([0.5, 0.6])
    assert SPREAD(of_orders[:, None] + of_seeds[None]) == pytest.approx(0.1)


def test_noise_alone_spreads_nothing_on_average():
    # An unbiased estimate of the variance is zero on average over many studies, so half of the estimates are clipped at
    # 0.
    noise = np.random.default_rng(0).normal(size=(500, 5, 3))
    spreads = np.array([SPREAD(scores) for scores in noise])
    assert 0.3 < (spreads == 0).mean() < 0.75
    assert np.mean(spreads) < np.mean(noise.mean(axis=2).std(axis=1, ddof=1))


def test_the_spread_is_that_of_an_analysis_of_variance():
    from pandas import DataFrame
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    scores = np.random.default_rng(1).normal(size=(4, 3)) + np.arange(4)[:, None]
    table = {
        "score": scores.ravel(),
        "order": np.repeat(list("abcd"), 3),
        "seed": np.tile(list("xyz"), 4),
    }
    squares = anova_lm(ols("score ~ C(order) + C(seed)", DataFrame(table)).fit())["mean_sq"]
    assert SPREAD(scores) == pytest.approx(np.sqrt((squares["C(order)"] - squares["Residual"]) / 3))


def test_the_table_takes_the_seeds_that_all_orders_have():
    runs = [("row", 0, 0.5), ("row", 1, 0.7), ("row", 2, 0.9), ("hilbert", 0, 0.7), ("hilbert", 1, 0.9)]
    records = [
        {
            "data": "d",
            "model": "m",
            "length": length,
            "order": order,
            "seed": seed,
            "score": length * score,
            "effective_slots": 9.0 if seed == 2 else 3.0,
            "slots": 16,
        }
        for length in (1, 0.5)
        for order, seed, score in runs
    ]
    *_, usual, shorter = REPORT(records)
    assert usual == "| d | `m` | 2 | hilbert 0.800 | row 0.600 | 0.200 | 0.141 | 3.0 of 16 |"
    assert shorter == "| d | `m`, 0.5 times as long | 2 | hilbert 0.400 | row 0.300 | 0.100 | 0.071 | 3.0 of 16 |"
