"""Means over seeds and test images, with intervals for other seeds and other images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import stats

from reorder_kit.statistics.estimate import Estimate, mean_over_seeds

RESAMPLES = 2000
FEW_VALUES = 64


def mean_over_seeds_and_images(
    values: Sequence[float], image_scores: Float[NDArray[np.floating], "seed image"] | None, seed: int
) -> Estimate:
    """The mean with its 95% interval over other seeds and other test images.

    Args:
        values: the result of each seed on all images.
        image_scores: the contribution of each image with each seed; None if a metric is not a mean over images, or the
            contributions are unknown. The interval is then that of Student's t, over seeds alone.
        seed: seed of the resampling.
    """
    if image_scores is None or min(image_scores.shape) < 2:
        return mean_over_seeds(values)
    low, high = interval(resampled_means(image_scores, seed), 0.95)
    return Estimate(float(np.mean(values)), low, high, tuple(values))


def interval(resampled: Float[NDArray[np.float64], " draw"], level: float) -> tuple[float, float]:
    """The ends of the central part of a distribution.

    Args:
        resampled: the distribution.
        level: the share of it that is inside.
    """
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resampled_means(
    image_scores: Float[NDArray[np.floating], "seed image"], seed: int
) -> Float[NDArray[np.float64], " draw"]:
    """The distribution of the mean for other seeds and other images: a hierarchical bootstrap.

    Seeds and images are crossed: all seeds are tested on the same images. A score is a mean, plus a seed effect, plus
    an image effect, plus a residual. The means of seeds show the seed effects, with their share of the residual; the
    means of images show the image effects, also with residual. Both are drawn anew:

    * The mean over seeds from Student's t. A few values have no tails to resample: their percentiles are too narrow,
      by more than a third with five seeds.
    * The mean over images by resampling images, after shrinking their deviations by the residual's part of their
      variance. Otherwise the residual would be counted twice, and a third time if seeds are resampled within images
      (the pigeonhole bootstrap): for two models that get mostly the same images right, that is most of the interval.

    If images do not differ, the interval is Student's; with many seeds, it is the bootstrap's over images. If each seed
    has its own test images, image means contain only residual, and nothing is added to the variation between seeds.

    Sources: A. B. Owen, "The Pigeonhole Bootstrap", Annals of Applied Statistics, 2007, https://arxiv.org/abs/0712.1111,
    also on its excess; C. A. Field and A. H. Welsh, "Bootstrapping Clustered Data", Journal of the Royal Statistical
    Society B, 2007, https://doi.org/10.1111/j.1467-9868.2007.00593.x, on drawing the parts of a score separately;
    A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8, on shrinking.

    Args:
        image_scores: scores of at least two seeds and two images.
        seed: seed of the resampling.
    """
    seeds, images = image_scores.shape
    scores = np.asarray(image_scores, dtype=np.float64)
    mean, of_seeds, of_images = scores.mean(), scores.mean(axis=1), scores.mean(axis=0)
    rest = scores - of_seeds[:, None] - of_images + mean
    rest_of_an_image = np.square(rest).sum() / ((seeds - 1) * (images - 1)) / seeds
    seen = of_images.var(ddof=1)
    shrink = math.sqrt(max(0.0, 1 - rest_of_an_image / seen)) if seen > 0 else 0.0
    random = np.random.default_rng(seed)
    seed_parts = random.permutation(_t_quantiles(seeds - 1)) * of_seeds.std(ddof=1) / math.sqrt(seeds)
    resampled: NDArray[np.float64] = mean + seed_parts + _image_parts(shrink * (of_images - mean), random)
    return resampled


@cache
def _t_quantiles(degrees: int) -> Float[NDArray[np.float64], " draw"]:
    """Evenly spaced quantiles of Student's t; shuffled, they are draws that follow the distribution exactly."""
    quantiles: NDArray[np.float64] = stats.t.ppf((np.arange(RESAMPLES) + 0.5) / RESAMPLES, degrees)
    return quantiles


def _image_parts(
    deviations: Float[NDArray[np.float64], " image"], random: np.random.Generator
) -> Float[NDArray[np.float64], " draw"]:
    """Mean deviations of images that are drawn with replacement."""
    images = len(deviations)
    values, counts = np.unique(deviations, return_counts=True)
    if len(values) > FEW_VALUES:
        return np.array([deviations[random.integers(images, size=images)].mean() for _ in range(RESAMPLES)])
    # Only the count of each value matters, and hits and misses of a few seeds have few values.
    drawn = random.multinomial(images, counts / images, size=RESAMPLES)
    means: NDArray[np.float64] = drawn @ values / images
    return means
