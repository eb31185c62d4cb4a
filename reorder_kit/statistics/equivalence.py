"""Whether a difference is shown to be small: two one-sided tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def equivalence_test(differences: Sequence[float], margin: float) -> float:
    """The p of the hypothesis that the mean of paired differences is outside ±margin; 1 with fewer than two seeds.

    It is the larger p of two one-sided t tests. More than two rows are equivalent if all pairs are; because all must
    be, no correction is needed (R. L. Berger and J. C. Hsu, "Bioequivalence Trials, Intersection-Union Tests and
    Equivalence Confidence Sets", Statistical Science, 1996, https://doi.org/10.1214/ss/1032280304).

    Source: D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing
    the equivalence of average bioavailability", 1987, https://doi.org/10.1007/BF01068419

    Args:
        differences: one for each seed.
        margin: a margin above 0, in the unit of the differences.

    >>> equivalence_test([0.0, 0.0, 0.0], margin=0.1)
    0.0
    """
    count = len(differences)
    if count < 2:
        return 1.0
    room = margin - abs(float(np.mean(differences)))
    error = float(np.std(differences, ddof=1)) / math.sqrt(count)
    if error == 0:
        return 0.0 if room > 0 else 1.0
    return float(stats.t.sf(room / error, count - 1))
