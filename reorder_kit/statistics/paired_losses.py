"""A paired comparison of two models over seeds and images at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray


@dataclass(frozen=True)
class PairedTest:
    """Whether a mean difference is above zero.

    Args:
        mean: the mean of the differences.
        standard_error: the standard error of the mean, over other seeds and other images.
        p: the one-sided p; small if the mean is above zero.
    """

    mean: float
    standard_error: float
    p: float


def paired_test(differences: Float[NDArray[np.floating], "seed image"]) -> PairedTest:
    """Test one-sided whether differences are above zero for other seeds and other images.

    Seeds and images are crossed: all seeds are judged on the same images. A difference is a mean, plus a seed effect,
    plus an image effect, plus a residual, as in :func:`~reorder_kit.statistics.bootstrap.resampled_means`. With the
    mean squares of a two-way table without replication, the variance of the mean is::

        (MS(seeds) + MS(images) - MS(rest)) / (seeds * images)

    The residual (rest) is in both mean squares, and is counted once. Pooling all differences, or testing only the image
    means, would ignore the variation between seeds, and report noise of three seeds as a gain.

    The mean over its standard error is compared with Student's t with ``seeds - 1`` degrees of freedom, as if all
    variance came from the few seeds. If it does, the test is exact; if images vary more, it is conservative.

    Args:
        differences: differences for at least two seeds and two images.
    """
    from scipy import stats  # takes half a second to import

    seeds, images = differences.shape
    if min(seeds, images) < 2:
        raise ValueError(f"a paired test needs two seeds and two images, not {seeds} and {images}")
    values = np.asarray(differences, dtype=np.float64)
    mean, of_seeds, of_images = values.mean(), values.mean(axis=1), values.mean(axis=0)
    rest = np.square(values - of_seeds[:, None] - of_images + mean).sum() / ((seeds - 1) * (images - 1))
    between_seeds, between_images = images * of_seeds.var(ddof=1), seeds * of_images.var(ddof=1)
    variance = max(between_seeds + between_images - rest, between_seeds, between_images)
    error = math.sqrt(variance / (seeds * images))
    if error == 0.0:
        return PairedTest(float(mean), 0.0, 0.0 if mean > 0 else 1.0)
    return PairedTest(float(mean), error, float(stats.t.sf(mean / error, seeds - 1)))
