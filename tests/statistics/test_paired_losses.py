"""The paired test over seeds and images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reorder_kit.statistics.paired_losses import paired_test


def test_a_table_worked_by_hand() -> None:
    # Means of seeds 1, 2, 3; of images 1, 3; the residual is 0. Mean squares: seeds 2 * 1 = 2, images 3 * 2 = 6, rest
    # 0.
    found = paired_test(np.array([[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]))
    assert found.mean == pytest.approx(2.0)
    assert found.standard_error == pytest.approx((8 / 6) ** 0.5)
    assert found.p == pytest.approx(stats.t.sf(2 / (8 / 6) ** 0.5, 2))


def test_with_images_that_agree_it_is_students_test_over_seeds() -> None:
    seeds = np.array([0.3, 0.1, 0.4, 0.2])
    found = paired_test(np.repeat(seeds[:, None], 50, axis=1))
    assert found.p == pytest.approx(stats.ttest_1samp(seeds, 0.0, alternative="greater").pvalue)


def test_no_difference_is_no_gain() -> None:
    assert paired_test(np.zeros((3, 5))).p == 1.0
    assert paired_test(np.full((3, 5), 0.5)).p == 0.0
    assert paired_test(np.full((3, 5), -0.5)).p == 1.0


@pytest.mark.parametrize(("of_seeds", "of_images"), [(0.0, 0.0), (0.3, 0.0), (0.0, 1.0), (0.1, 0.5)])
def test_what_is_noise_is_rarely_called_a_gain(of_seeds: float, of_images: float) -> None:
    random = np.random.default_rng(0)
    calls = 0
    for _ in range(1000):
        seeds, images = random.normal(size=(3, 1)) * of_seeds, random.normal(size=(1, 60)) * of_images
        calls += paired_test(seeds + images + random.normal(size=(3, 60))).p < 0.05
    assert calls <= 75  # 50 are expected at most; more than 75 in one of 3,000 such tests


def test_a_gain_of_all_seeds_is_found() -> None:
    random = np.random.default_rng(0)
    found = [paired_test(0.5 + random.normal(size=(3, 1)) * 0.1 + random.normal(size=(3, 200))).p for _ in range(50)]
    assert np.mean(np.array(found) < 0.05) > 0.8


def test_one_seed_says_nothing() -> None:
    with pytest.raises(ValueError, match="needs two seeds and two images"):
        paired_test(np.zeros((1, 5)))
