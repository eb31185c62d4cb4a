"""Orderings ranked by a prior, with the uncertainty from the choice of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.interfaces import ScoringPrior
from reorder_kit.orders.order import Order

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A mean over images with its 95% bootstrap interval.

    Args:
        mean: the mean over all images.
        low: the 2.5th percentile of the mean over resampled images.
        high: the 97.5th percentile.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class RankedOrdering:
    """An ordering in a ranking.

    Args:
        name: its name.
        score: its score from the prior.
        behind: by how much the best one scores higher on the same images; 0 for the best itself.
    """

    name: str
    score: Interval
    behind: Interval

    @property
    def is_within_noise(self) -> bool:
        """Whether it ties with or beats the best on too many resamples of the images to tell the two apart."""
        return self.behind.low <= 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "is_within_noise": self.is_within_noise}


@dataclass(frozen=True)
class Ranking:
    """Orderings from the highest score to the lowest; equal ones by name.

    Args:
        orderings: at least one ordering.
        images: number of scored images.
    """

    orderings: Sequence[RankedOrdering]
    images: int

    @property
    def best(self) -> RankedOrdering:
        """The ordering to start from."""
        return self.orderings[0]

    def verdict(self) -> str:
        """What the ranking says about its first place, in words."""
        best, *others = self.orderings
        if not others:
            return f"There is no ordering to compare {best.name} with."
        equal = [other.name for other in others if other.is_within_noise]
        on = f"on {self.images} images"
        if not equal:
            return f"{best.name} scores highest, and every other ordering is distinguishable from it {on}."
        if len(equal) == len(others):
            return f"The ranking is within noise: no ordering is distinguishable from {best.name} {on}."
        return (
            f"{best.name} scores highest, but its lead over {' and '.join(equal)} is within noise {on}; "
            "the others are distinguishable from it."
        )


def rank_orderings(
    prior: ScoringPrior, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order], seed: int
) -> Ranking:
    """Score orders on images and rank them.

    Args:
        prior: the prior that scores.
        batches: patches of the images, which can be iterated over several times.
        orders: the orders by name.
        seed: seed of the resampling.

    Raises:
        ReorderKitError: if there are fewer than two images.
    """
    scores: Any = prior.score_per_image(batches, orders)
    for name in orders:
        found = scores.get(name) if isinstance(scores, Mapping) else None
        if not isinstance(found, Tensor) or found.ndim != 1:
            reason = f"score_per_image gave a {type(found).__name__} for {name}"
            raise ComponentError(prior.kind.name, prior.name, reason, "return a score of each image for every order")
    if len({len(scores[name]) for name in orders}) > 1:
        raise ComponentError(prior.kind.name, prior.name, "scored different numbers of images for different orders")
    return rank_scores({name: scores[name] for name in orders}, seed)


def rank_scores(per_image: Mapping[str, Float[Tensor, " image"]], seed: int) -> Ranking:
    """Rank orders by their scores on the same images.

    Images are resampled, and differences to the best are taken on the same images, so that what makes one image more
    compressible than another cancels out.

    Args:
        per_image: the score of each image, by the name of the order.
        seed: seed of the resampling.

    Raises:
        ReorderKitError: if there are fewer than two images.
    """
    names = list(per_image)
    scores = np.stack([per_image[name].double().numpy() for name in names], axis=1)
    images = len(scores)
    if images < 2:
        raise ReorderKitError(f"intervals need at least 2 training images, and {images} could be read")
    means, resampled = scores.mean(axis=0), _resampled_means(scores, seed)
    ranked = sorted(range(len(names)), key=lambda place: (-means[place], names[place]))
    best = ranked[0]
    lead, resampled_lead = means[best] - means, resampled[:, [best]] - resampled
    found = [
        RankedOrdering(
            names[place],
            _interval(means[place], resampled[:, place]),
            _interval(lead[place], resampled_lead[:, place]),
        )
        for place in ranked
    ]
    return Ranking(found, images)


def _resampled_means(scores: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """The mean scores of images drawn with replacement, one row per draw."""
    random, images = np.random.default_rng(seed), len(scores)
    draws = (np.bincount(random.integers(images, size=images), minlength=images) for _ in range(RESAMPLES))
    return np.stack([drawn @ scores / images for drawn in draws])


def _interval(mean: float, resampled: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(mean), float(low), float(high))
