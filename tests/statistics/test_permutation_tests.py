"""The paired permutation test: by hand, by brute force, against scipy, and in limiting cases."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy import stats

from reorder_kit.statistics.permutation_tests import DRAWS, permutation_test, smallest_p


def by_brute_force(scores):
    """The p of whole numbers, without rounding: every arrangement of signs, the sum of squared sums of each row."""
    centred = [[Fraction(int(score)) - Fraction(sum(map(int, seed)), len(seed)) for score in seed] for seed in scores]

    def variation(signs):
        signed = [[sign * score for score in seed] for sign, seed in zip(signs, centred, strict=True)]
        return sum(sum(row) ** 2 for row in zip(*signed, strict=True))

    found = [variation(signs) for signs in product((1, -1), repeat=len(scores))]
    return sum(each >= found[0] for each in found) / len(found)


def test_two_seeds_by_hand():
    # Differences 0.2 and 0.1. Signs ++ and -- give a mean of 0.15, +- and -+ one of 0.05: p is 2 of 4.
    assert permutation_test(np.array([[0.9, 0.7], [0.8, 0.7]]), 0) == 0.5
    # Differences 0.2 and -0.1: all four arrangements give at least 0.05.
    assert permutation_test(np.array([[0.9, 0.7], [0.7, 0.8]]), 0) == 1.0


def test_three_rows_by_hand():
    # Centered: -1, 0, 1 for both seeds. Sums of ++ are -2, 0, 2; those of +- are 0: p is 2 of 4.
    assert permutation_test(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), 0) == 0.5
    # Centered -1, 0, 1 and 1, -1, 0. Sums of ++ are 0, -1, 1, of +- they are -2, 1, 1: the observed one varies least.
    assert permutation_test(np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]]), 0) == 1.0
    assert permutation_test(np.array([[1.0, 2.0, 3.0]]), 0) == 1.0


def test_equal_rows_are_alike():
    assert permutation_test(np.full((8, 3), 0.9), 0) == 1.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("seeds", "rows"), [(3, 2), (6, 2), (9, 2), (5, 3), (8, 3), (6, 7)])
def test_all_arrangements_by_brute_force(seeds, rows, seed):
    """Whole numbers, so there are ties; as shares of 497 images they are equal up to rounding."""
    hits = np.random.RandomState(seed).randint(0, 10, (seeds, rows))
    hits[:, 0] += seed
    assert permutation_test(hits / 497, 0) == by_brute_force(hits)


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


@pytest.mark.parametrize("rows", [2, 5])
def test_drawn_arrangements_agree_with_all(rows, monkeypatch):
    scores = np.random.RandomState(rows).normal(0, 1, (14, rows))
    scores[:, 0] += 0.2
    expected = permutation_test(scores, 0)
    assert 0.01 < expected < 0.9
    monkeypatch.setattr("reorder_kit.statistics.permutation_tests.EXACT", 1)
    found = permutation_test(scores, 0)
    assert abs(found - expected) < 5 * math.sqrt(expected * (1 - expected) / DRAWS)  # five standard errors
    assert found == permutation_test(scores, 0)
    assert found != permutation_test(scores, 1)


@pytest.mark.parametrize(("seeds", "rows"), [(3, 2), (8, 2), (19, 2), (2, 3), (8, 3), (4, 88)])
def test_the_smallest_p_is_that_of_rows_that_are_far_apart(seeds, rows):
    expected = 1 / 2 ** (seeds - 1)
    assert smallest_p(seeds) == expected
    scores = np.arange(rows) + np.random.RandomState(0).uniform(0, 0.01, (seeds, rows))
    assert permutation_test(scores, 0) == pytest.approx(expected)


def test_drawn_arrangements_never_give_a_p_of_0():
    scores = np.arange(2) + np.random.RandomState(0).uniform(0, 0.01, (40, 2))
    assert permutation_test(scores, 0) == smallest_p(40) == 1 / (DRAWS + 1)


def test_what_seeds_share_plays_no_part():
    scores = np.random.RandomState(0).normal(0, 1, (7, 3))
    assert permutation_test(scores + np.arange(7)[:, None], 0) == permutation_test(scores, 0)


def alarms(draw, count=1000):
    return sum(permutation_test(draw(), 0) <= 0.05 for _ in range(count)) / count


@pytest.mark.parametrize("rows", [2, 3, 12])
def test_the_level_is_kept_where_rows_are_alike(rows):
    """Skewed scores of 8 seeds; 6 of 128 arrangements are 0.047. Four standard errors."""
    random = np.random.RandomState(0)
    found = alarms(lambda: random.exponential(1, (8, rows)))
    assert abs(found - 6 / 128) < 4 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize("orders", [12, 88])
def test_families_of_orders_that_resemble_each_other_raise_no_false_alarms(orders):
    """Permuting scores among orders within every seed gives about 1 in 10 and 1 in 4."""
    random = np.random.default_rng(0)

    def families():
        return random.normal(size=(8, 4))[:, np.arange(orders) % 4] + 0.7 * random.normal(size=(8, orders))

    assert alarms(families) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 1000)
