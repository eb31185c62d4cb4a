"""The size of a paired difference relative to the noise of its seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def effect_size(differences: Sequence[float]) -> float | None:
    """Cohen's d_z: the mean difference over the standard deviation of the differences; None if that is 0 or unknown.

    Source: D. Lakens, "Calculating and reporting effect sizes to facilitate cumulative science", Frontiers in
    Psychology, 2013, https://doi.org/10.3389/fpsyg.2013.00863

    >>> effect_size([1.0, 2.0, 3.0])
    2.0
    """
    if len(differences) < 2:
        return None
    spread = float(np.std(differences, ddof=1))
    if spread <= 1e-9 * float(np.max(np.abs(differences))):  # only rounding
        return None
    return float(np.mean(differences)) / spread
