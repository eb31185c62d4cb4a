"""The paired permutation test: by hand, against scipy, and at its ends."""

from __future__ import annotations

import math
import operator
from itertools import product

import numpy as np
import pytest
from scipy import stats

from reorder_kit.statistics.permutation_tests import DRAWS, permutation_test, smallest_p


def scipys(scores, **options):
    """p of scipy's permutation test: rows are dealt their scores anew within every seed."""
    columns = scores.T

    def variation(*rows, axis):  # the variance of row means but for what is the same in all arrangements
        return sum(row.sum(axis=axis) ** 2 for row in rows)

    found = stats.permutation_test(
        columns, variation, permutation_type="samples", alternative="greater", vectorized=True, **options
    )
    return found.pvalue


def test_two_seeds_by_hand():
    # Differences 0.2 and 0.1. Signs ++ and -- give a mean of 0.15, +- and -+ one of 0.05: p is 2 of 4.
    assert permutation_test(np.array([[0.9, 0.7], [0.8, 0.7]]), 0) == 0.5
    # Differences 0.2 and -0.1: all four arrangements give at least 0.05.
    assert permutation_test(np.array([[0.9, 0.7], [0.7, 0.8]]), 0) == 1.0


@pytest.mark.parametrize("seed", range(20))
def test_arrangements_that_are_equal_but_for_rounding_are_counted(seed):
    """Hits of 497 images are whole numbers, and whole numbers can be added up without rounding."""
    hits = np.random.RandomState(seed).randint(450, 460, (6, 2))
    differences = [int(first - second) for first, second in hits]
    sums = [abs(sum(map(operator.mul, signs, differences))) for signs in product((1, -1), repeat=6)]
    expected = sum(each >= abs(sum(differences)) for each in sums) / len(sums)
    assert permutation_test(hits / 497, 0) == expected


def test_three_rows_by_hand():
    # Rows that are dealt their scores in the same sequence by both seeds are as far apart as can be: 6 of 36.
    assert permutation_test(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), 0) == pytest.approx(1 / 6)
    assert permutation_test(np.array([[1.0, 2.0, 3.0]]), 0) == 1.0


def test_equal_rows_are_alike():
    assert permutation_test(np.full((8, 3), 0.9), 0) == 1.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("seeds", "rows"), [(3, 2), (8, 2), (10, 2), (4, 3), (5, 3), (3, 4)])
def test_all_arrangements_against_scipy(seeds, rows, seed):
    # Whole numbers: there are ties, and scipy, which allows for less rounding, sees them all.
    scores = np.random.RandomState(seed).randint(0, 10, (seeds, rows)).astype(float)
    scores[:, 0] += seed
    assert permutation_test(scores, 0) == pytest.approx(scipys(scores, n_resamples=np.inf), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_pairs_against_scipys_test_of_the_mean_difference(seed):
    first, second = np.random.RandomState(seed).normal(0, 1, (2, 9))
    expected = stats.permutation_test(
        (first + 0.5, second),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        alternative="two-sided",
        n_resamples=np.inf,
    )
    assert permutation_test(np.column_stack([first + 0.5, second]), 0) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(("seeds", "rows"), [(25, 2), (10, 3), (6, 5)])
def test_drawn_arrangements_against_scipy(seeds, rows):
    scores = np.random.RandomState(rows).normal(0, 1, (seeds, rows))
    scores[:, 0] += 0.4
    expected = scipys(scores, n_resamples=20_000, rng=np.random.default_rng(1))
    found = permutation_test(scores, 0)
    assert 0.01 < expected < 0.9
    # Both are drawn: five standard errors of their difference.
    assert abs(found - expected) < 5 * math.sqrt(2 * expected * (1 - expected) / 20_000)
    assert found == permutation_test(scores, 0)
    assert found != permutation_test(scores, 1)


@pytest.mark.parametrize(("seeds", "rows"), [(3, 2), (8, 2), (19, 2), (2, 3), (6, 3), (8, 3), (4, 4)])
def test_the_smallest_p_is_that_of_rows_that_are_far_apart(seeds, rows):
    expected = 1 / math.factorial(rows) ** (seeds - 1)
    assert smallest_p(seeds, rows) == pytest.approx(expected)
    scores = np.arange(rows) + np.random.RandomState(0).uniform(0, 0.01, (seeds, rows))
    assert permutation_test(scores, 0) == pytest.approx(expected)


def test_drawn_arrangements_never_give_a_p_of_0():
    scores = np.arange(2) + np.random.RandomState(0).uniform(0, 0.01, (40, 2))
    assert permutation_test(scores, 0) == smallest_p(40, 2) == 1 / (DRAWS + 1)


def test_what_seeds_share_plays_no_part():
    scores = np.random.RandomState(0).normal(0, 1, (7, 3))
    assert permutation_test(scores + np.arange(7)[:, None], 0) == permutation_test(scores, 0)


@pytest.mark.parametrize("rows", [2, 3])
def test_the_level_is_kept_where_rows_are_alike(rows):
    """Skewed scores of 6 seeds: p is at most 0.05 in about one in twenty, and in no more."""
    random = np.random.RandomState(0)
    found = [permutation_test(random.exponential(1, (6, rows)), 0) for _ in range(2000)]
    # Of 32 arrangements of pairs one is 0.03; of 7,776 of three rows 388 are 0.05. Four standard errors.
    expected = 1 / 32 if rows == 2 else 0.05
    assert abs(np.mean(np.array(found) <= 0.05) - expected) < 4 * math.sqrt(expected / 2000)
