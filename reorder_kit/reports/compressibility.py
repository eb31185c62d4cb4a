"""Whether models score higher in orders that make the patch sequence more compressible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.interfaces import Part
from reorder_kit.orders.order import Order
from reorder_kit.priors.lzma import Lzma
from reorder_kit.reports.decimals import within
from reorder_kit.reports.images import OpenedRun
from reorder_kit.reports.record import RunRecord
from reorder_kit.tokenizers.pixels import Pixels

PRIOR = Lzma.name
FEWEST_ORDERS = 5
_IMAGES = 128
_RESAMPLES = 2000


@dataclass(frozen=True)
class ScoredOrder:
    """An order in which models were trained from the first step.

    Args:
        group: the kind of order.
        compressibility: its score by the prior.
        score: the mean headline metric of its runs, with the effect of the seeds removed.
        runs: the number of its runs.
    """

    group: str
    compressibility: float
    score: float
    runs: int


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over orders.

    Args:
        rho: the correlation, from -1 to 1.
        low: the 2.5th percentile over resampled orders.
        high: the 97.5th percentile.
        orders: the number of orders.
    """

    rho: float
    low: float
    high: float
    orders: int

    def __str__(self) -> str:
        figures = within(self.rho, self.low, self.high, 2, sign=True)
        return f"Spearman's correlation {figures} over {self.orders} orders"


def correlate(points: Sequence[ScoredOrder], seed: int = 0) -> Correlation | None:
    """The correlation with its bootstrap interval; None if there are too few orders, or all are the same.

    Orders are resampled, not runs: the question is whether the correlation holds for orders in general.

    Args:
        points: the orders.
        seed: seed of the resampling.
    """
    x, y = (np.array([getattr(point, name) for point in points]) for name in ("compressibility", "score"))
    if len(points) < FEWEST_ORDERS or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    places = np.random.default_rng(seed).integers(len(points), size=(_RESAMPLES, len(points)))
    drawn = _rank_correlation(x[places], y[places])
    low, high = np.nanquantile(drawn, [0.025, 0.975])  # undefined if a draw contains only one order
    return Correlation(float(_rank_correlation(x[None], y[None])[0]), float(low), float(high), len(points))


def _rank_correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation of the ranks in each row; NaN if all ranks are tied."""
    x, y = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (x, y))
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    found: NDArray[np.float64] = np.divide((x * y).sum(axis=1), scale, out=np.full(len(x), np.nan), where=scale > 0)
    return found


def score_orders(runs: Mapping[str, Sequence[RunRecord]], opened: OpenedRun) -> list[ScoredOrder]:
    """Score the orders of runs that kept their order from the first step to the last.

    Runs of one seed share initial weights and batches, so a lucky seed lifts all its orders, most of which have no run
    with another seed. Each score is therefore shifted by the difference between its seed's mean and the overall mean.

    Args:
        runs: the runs of one backbone on one data set, by kind of order.
        opened: the data of the runs.
    """
    level = _seed_levels([record for records in runs.values() for record in records])
    scores: dict[Order, list[float]] = {}
    kinds: dict[Order, str] = {}
    for group, records in runs.items():
        for record in records:
            scores.setdefault(record.final, []).append(record.score - level[record.seed])
            kinds.setdefault(record.final, group)  # a learned order that equals a curve counts as the curve
    orders = {str(place): order for place, order in enumerate(scores)}
    grid, seed = next(record.grid for records in runs.values() for record in records), opened.experiment.recipe.seed
    prior = Lzma(Lzma.Options(tokenizer=Part.of(Pixels)), opened.splits.image, grid)
    found = prior.score_per_image(TrainingPatches(opened.splits, grid, seed, _IMAGES), orders)
    return [
        ScoredOrder(kinds[order], float(found[name].mean()), _rounded(np.mean(scores[order])), len(scores[order]))
        for name, order in orders.items()
    ]


def _seed_levels(records: Sequence[RunRecord]) -> dict[int, float]:
    """The difference between the mean of each seed and the overall mean."""
    by_seed: dict[int, list[float]] = {}
    for record in records:
        by_seed.setdefault(record.seed, []).append(record.score)
    overall = float(np.mean([record.score for record in records]))
    return {seed: float(np.mean(scores)) - overall for seed, scores in by_seed.items()}


def _rounded(score: np.floating[Any]) -> float:
    """Round away summation noise, which would rank orders with equal scores."""
    return round(float(score), 9)
