"""Whether salient patches moved toward the end of the sequence, and what would have happened by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from reorder_kit.orders.order import Order

RESAMPLES = 2000
DRAWS = 9999
ROUNDING = 1e-9
"""Largest difference between sums of the same numbers in different orders."""


@dataclass(frozen=True)
class Shift:
    """How far saliency moved toward the end, as a share of the sequence, from one figure for each image.

    Args:
        mean: the mean over images, after minus before; 1 from the first slot to the last.
        low: the 2.5th percentile of the mean over resampled images.
        high: the 97.5th percentile.
        p: two-sided p of Wilcoxon's signed-rank test over images. Images share the two orders, so it applies to other
            images of this run, not to other runs.
    """

    mean: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


@dataclass(frozen=True)
class Chance:
    """The distribution of shifts by chance.

    Args:
        low: its 2.5th percentile.
        high: its 97.5th percentile.
        p: how often chance is at least as extreme on the measured side, times two.
    """

    low: float
    high: float
    p: float

    def __str__(self) -> str:
        return f"{self.low:+.3f} to {self.high:+.3f}"


@dataclass(frozen=True)
class Placement:
    """Where salient patches are in two orders. A patch has the same saliency in both; only its slot differs.

    Args:
        start: mean share of an image's saliency in each slot of the starting order.
        final: the same for the final order.
        mean_rank: before and after: the slot of a patch, from 0 to 1, weighted by its share, averaged over images.
        shift: the difference.
        blind_moves: the shifts between the same two orders if saliency belonged to randomly drawn patches, the same in
            all images. A saliency map that all images share, such as objects in the middle, moves equally in every
            image; this says how far by chance.
        random_orders: the shifts from the starting order to random orders.
    """

    start: tuple[float, ...]
    final: tuple[float, ...]
    mean_rank: tuple[float, float]
    shift: Shift
    blind_moves: Chance
    random_orders: Chance


def place(shares: NDArray[np.float64], start: Order, final: Order, seed: int) -> Placement:
    """Follow saliency from one order to another.

    Args:
        shares: for each image, the share of its saliency in each row-major patch (image, patch); rows add up to one.
        start: the order before, full and static, of at least two patches.
        final: the order after.
        seed: seed of the resampling.
    """
    random = np.random.default_rng(seed)
    before, after = _relative_rank(start), _relative_rank(final)
    by_patch = shares.mean(axis=0)
    move = after - before
    mean = float(by_patch @ move)
    blind = np.array([by_patch @ random.permutation(move) for _ in range(DRAWS)])
    # A random permutation of ranks is a random order.
    elsewhere = np.array([by_patch @ random.permutation(after) for _ in range(DRAWS)]) - by_patch @ before
    return Placement(
        start=tuple(by_patch[start.indices.numpy()].tolist()),
        final=tuple(by_patch[final.indices.numpy()].tolist()),
        mean_rank=(float(by_patch @ before), float(by_patch @ after)),
        shift=_shift_over_images(shares @ move, random),
        blind_moves=_chance(blind, mean),
        random_orders=_chance(elsewhere, mean),
    )


def _relative_rank(order: Order) -> NDArray[np.float64]:
    """The slot of each patch, from 0 for the first to 1 for the last."""
    rank: NDArray[np.float64] = order.rank.double().numpy() / (order.num_slots - 1)
    return rank


def _shift_over_images(shifts: NDArray[np.float64], random: np.random.Generator) -> Shift:
    shifts = np.where(np.abs(shifts) < ROUNDING, 0.0, shifts)
    images = len(shifts)
    means = [float(shifts[random.integers(images, size=images)].mean()) for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    p = float(wilcoxon(shifts).pvalue) if shifts.any() else 1.0
    return Shift(float(shifts.mean()), float(low), float(high), p)


def _chance(draws: NDArray[np.float64], measured: float) -> Chance:
    above, below = (draws >= measured - ROUNDING).sum(), (draws <= measured + ROUNDING).sum()
    low, high = np.quantile(draws, [0.025, 0.975])
    return Chance(float(low), float(high), min(1.0, 2 * (1 + int(min(above, below))) / (1 + len(draws))))
