"""Means over seeds and ratios of means, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A figure over seeds with its 95% interval, which needs at least two seeds.

    Args:
        mean: the figure.
        low: lower end; None if there is no interval.
        high: upper end; None if there is no interval.
        values: the value of each seed; empty for a ratio of means.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    values: tuple[float, ...] = ()

    @property
    def ends(self) -> tuple[float, float, float]:
        """Figure, lower and upper end; without an interval, the figure itself."""
        return self.mean, self.mean if self.low is None else self.low, self.mean if self.high is None else self.high

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "values": list(self.values)}

    def written(self, digits: int) -> str:
        """The figure and its interval, with this number of digits after the decimal point."""
        mean = f"{self.mean:.{digits}f}"
        if self.low is None or self.high is None:
            return mean
        below, above = self.mean - self.low, self.high - self.mean
        if math.isclose(below, above, abs_tol=1e-9):
            return f"{mean} ± {above:.{digits}f}"
        return f"{mean} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def __str__(self) -> str:
        return self.written(3)


def within_shares(estimate: Estimate) -> Estimate:
    """The estimate of a mean of shares, with its interval cut at 0 and 1.

    The true mean of shares is between 0 and 1, so the cut interval covers it as often as before. Do not use this for
    means of differences, which have no such bounds.

    >>> str(within_shares(mean_over_seeds([1.0, 0.9])))
    '0.950 (0.315 to 1.000)'
    """
    if estimate.low is None or estimate.high is None:
        return estimate
    return replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high))


def mean_over_seeds(values: Sequence[float]) -> Estimate:
    """The mean with Student's t interval.

    >>> str(mean_over_seeds([0.5, 0.75, 0.25]))
    '0.500 ± 0.621'
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean, values=tuple(values))
    half = _quantile(len(values)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half, tuple(values))


def ratio_over_seeds(parts: Sequence[float], wholes: Sequence[float]) -> Estimate | None:
    """The mean part over the mean whole with Fieller's interval; None unless the mean whole is clearly above 0.

    A ratio r is in the interval if a t test does not distinguish the mean of ``parts - r * wholes`` from 0. This is
    correct for ratios whose parts and wholes are noisy and correlated. The interval is bounded exactly if the t
    interval of the whole excludes 0. With fewer than two seeds, the result is None.

    Source: E. C. Fieller, "Some Problems in Interval Estimation", Journal of the Royal Statistical Society B, 1954,
    https://www.jstor.org/stable/2984043

    Args:
        parts: the part of each seed.
        wholes: the whole of each seed.

    >>> str(ratio_over_seeds([4.0, 5.0, 6.0], [8.0, 10.0, 12.0]))
    '0.500 ± 0.000'
    """
    whole = mean_over_seeds(wholes)
    if whole.low is None or whole.low <= 0:
        return None
    part = float(np.mean(parts))
    squares = _quantile(len(parts)) ** 2 / len(parts) * np.cov(parts, wholes, ddof=1)
    # The ends are the roots r of (part - r whole)^2 = t^2 (variance of the mean of parts - r wholes).
    leading = whole.mean**2 - squares[1, 1]
    middle = part * whole.mean - squares[0, 1]
    last = part**2 - squares[0, 0]
    half = math.sqrt(max(0.0, middle**2 - leading * last))
    return Estimate(part / whole.mean, (middle - half) / leading, (middle + half) / leading)


def _quantile(count: int) -> float:
    return float(stats.t.ppf(0.975, count - 1))
