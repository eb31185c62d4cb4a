"""Intervals over seeds and test images: limiting cases and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reorder_kit.statistics.bootstrap import interval, mean_over_seeds_and_images, resampled_means
from reorder_kit.statistics.estimate import mean_over_seeds


def crossed(random, seeds, images, of_seeds, of_images, of_both):
    """Scores with the given standard deviations; the true mean over all seeds and images is 0."""
    return (
        of_seeds * random.normal(size=(seeds, 1))
        + of_images * random.normal(size=images)
        + of_both * random.normal(size=(seeds, images))
    )


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_images_that_do_not_differ_leave_students_interval(seeds):
    values = np.random.RandomState(seeds).normal(0.9, 0.02, seeds)
    scores = np.repeat(values[:, None], 50, axis=1)
    found, expected = mean_over_seeds_and_images(values.tolist(), scores, 0), mean_over_seeds(values.tolist())
    assert found.values == expected.values
    assert found.ends == pytest.approx(expected.ends, rel=0.01)


def test_images_of_their_own_for_every_seed_leave_students_interval():
    """Then the effect of images is already in the seeds, and must not be added again."""
    random = np.random.RandomState(0)
    scores = np.stack([random.permutation(crossed(random, 1, 400, 0.02, 0.3, 0.1)[0]) for _ in range(8)])
    values = scores.mean(axis=1).tolist()
    found, expected = mean_over_seeds_and_images(values, scores, 0), mean_over_seeds(values)
    assert found.ends == pytest.approx(expected.ends, abs=0.15 * (expected.high - expected.low))


def test_seeds_that_do_not_differ_leave_the_bootstrap_over_images():
    deviations = np.random.RandomState(0).exponential(1, 200)
    low, high = interval(resampled_means(np.tile(deviations, (4, 1)), 0), 0.95)
    random = np.random.RandomState(1)
    plain = [random.choice(deviations, 200).mean() for _ in range(4000)]
    assert (low, high) == pytest.approx(np.quantile(plain, [0.025, 0.975]), rel=0.03)


def test_hits_and_misses_by_hand():
    # Two seeds agree on 100 images, half of them right: the mean of 100 coins, a standard deviation of 0.05.
    scores = np.tile(np.arange(100) % 2, (2, 1))
    resampled = resampled_means(scores, 0)
    assert resampled.mean() == pytest.approx(0.5, abs=0.005)
    assert resampled.std() == pytest.approx(0.05, rel=0.05)
    assert np.all(np.abs(resampled * 100 - (resampled * 100).round()) < 1e-6)


def test_what_seeds_and_images_add_together_is_counted_once():
    """Two models that are right on mostly the same images: their differences are only such residuals."""
    random, seeds, images = np.random.RandomState(0), 40, 100
    found = [resampled_means(crossed(random, seeds, images, 0, 0, 1), 0).var() for _ in range(50)]
    # Student's t with 39 degrees of freedom has a variance of 39 / 37. Counted twice it would be about twice that.
    true = 1 / (seeds * images)
    assert true * 39 / 37 * 0.97 < np.mean(found) < true * 39 / 37 * 1.25


def share_of_intervals_with_zero(kind, seeds, deviations, count):
    """Coverage for hits and misses minus one half, or for differences of two rows, with true mean 0."""
    random, inside = np.random.RandomState(seeds), 0
    for number in range(count):
        first, second = (crossed(random, seeds, 300, *deviations) > 0 for _ in range(2))
        scores = first - 0.5 if kind == "row" else first.astype(float) - second
        low, high = interval(resampled_means(scores, number), 0.95)
        inside += low <= 0 <= high
    return inside / count


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["row", "difference"])
@pytest.mark.parametrize("deviations", [(0.1, 1, 1), (0.1, 0, 1), (0, 1, 0.5), (0.2, 1, 0)], ids=str)
@pytest.mark.parametrize("seeds", [3, 8])
def test_how_often_an_interval_holds_what_is_true(seeds, deviations, kind):
    """Four standard errors below 0.95; above, a t and a normal part together may make it too wide."""
    assert share_of_intervals_with_zero(kind, seeds, deviations, 200) > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 200)


@pytest.mark.parametrize("deviations", [(0.1, 0, 1), (0, 1, 0.1)], ids=["seeds are all", "images are all"])
def test_intervals_are_not_too_wide_where_one_part_is_all(deviations):
    assert share_of_intervals_with_zero("row", 8, deviations, 300) < 0.985


def test_a_seed_gives_an_interval_again():
    scores = crossed(np.random.RandomState(0), 4, 30, 0.1, 0.3, 0.3)
    assert np.array_equal(resampled_means(scores, 7), resampled_means(scores, 7))
    assert not np.array_equal(resampled_means(scores, 7), resampled_means(scores, 8))


@pytest.mark.parametrize("scores", [None, np.zeros((3, 1)), np.zeros((3, 0))], ids=["unknown", "one image", "none"])
def test_without_images_it_is_students_interval(scores):
    assert mean_over_seeds_and_images([0.1, 0.2, 0.4], scores, 0) == mean_over_seeds([0.1, 0.2, 0.4])


def test_one_seed_has_no_interval():
    assert mean_over_seeds_and_images([0.5], np.array([[0.0, 1.0]]), 0) == mean_over_seeds([0.5])
