"""Scores of several rows with their common seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from reorder_kit.statistics.paired_t import error_variance
from reorder_kit.studies.results import Row

ImageScores = Float[NDArray[np.floating], "seed image"]


@dataclass(frozen=True)
class PairedScores:
    """The scores of rows, seed by seed.

    Args:
        values: the headline metric.
        images: the contribution of each image, for every row; None if that is not known for all rows, or they were not
            tested on the same images.
        higher_is_better: whether higher scores are better.
    """

    values: Float[NDArray[np.float64], "seed row"]
    images: tuple[ImageScores, ...] | None
    higher_is_better: bool = True

    @property
    def seeds(self) -> int:
        """The number of common seeds."""
        return len(self.values)

    @property
    def spread(self) -> float:
        """The standard deviation over seeds of the difference of two rows; needs at least two seeds."""
        return math.sqrt(2 * error_variance(self.values))

    @property
    def best_first(self) -> list[int]:
        """The rows from the best mean to the worst; ties in their sequence."""
        means = self.values.mean(axis=0)
        return [int(place) for place in np.argsort(-means if self.higher_is_better else means, kind="stable")]

    def differences(self, first: int, second: int) -> list[float]:
        """How much better the first row is than the second, for every seed."""
        first, second = (first, second) if self.higher_is_better else (second, first)
        return [float(difference) for difference in self.values[:, first] - self.values[:, second]]

    def image_differences(self, first: int, second: int) -> ImageScores | None:
        """How much better the first row is than the second, for every seed and image."""
        first, second = (first, second) if self.higher_is_better else (second, first)
        return None if self.images is None else self.images[first] - self.images[second]


def paired_scores(
    rows: Sequence[Row], image_scores: Sequence[ImageScores | None], higher_is_better: bool = True
) -> PairedScores | None:
    """Pair the scores of rows; None if they have no common seed.

    Args:
        rows: at least one.
        image_scores: the image scores of the same rows.
        higher_is_better: whether higher scores are better.

    Raises:
        ValueError: if the scores of a row do not match its seeds.
    """
    for row, scores in zip(rows, image_scores, strict=True):
        if len(row.score.values) != len(row.seeds) or (scores is not None and len(scores) != len(row.seeds)):
            raise ValueError(f"the scores of {row.backbone} from {row.start} do not match its {len(row.seeds)} seeds")
    common = common_seeds(rows)
    if not common:
        return None
    places = [[row.seeds.index(seed) for seed in common] for row in rows]
    values = [[row.score.values[place] for place in found] for row, found in zip(rows, places, strict=True)]
    known = [scores[found] for scores, found in zip(image_scores, places, strict=True) if scores is not None]
    alike = len(known) == len(rows) and len({scores.shape for scores in known}) == 1
    return PairedScores(np.array(values).T, tuple(known) if alike else None, higher_is_better)


def common_seeds(rows: Sequence[Row]) -> list[int]:
    """The seeds that all rows have, in the sequence of the first row.

    Args:
        rows: at least one.
    """
    others = [set(row.seeds) for row in rows[1:]]
    return [seed for seed in rows[0].seeds if all(seed in seeds for seeds in others)]
