"""The tests that a study chooses from: one decides, the other is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from reorder_kit.statistics.paired_t import paired_t_test
from reorder_kit.statistics.permutation_tests import permutation_test, smallest_p

DecidingTest = Literal["permutation", "paired-t"]

OTHER: Mapping[DecidingTest, DecidingTest] = {"permutation": "paired-t", "paired-t": "permutation"}

_TESTS: Mapping[DecidingTest, Callable[[Float[NDArray[np.float64], "seed row"], int], float]] = {
    "permutation": permutation_test,
    "paired-t": paired_t_test,
}


def p_of(test: DecidingTest, scores: Float[NDArray[np.float64], "seed row"], seed: int) -> float:
    """The two-sided p of the hypothesis that rows are equal.

    Args:
        test: the test.
        scores: scores of at least one seed and two rows.
        seed: seed of the random draws.
    """
    return _TESTS[test](scores, seed)


def smallest_p_of(test: DecidingTest, seeds: int) -> float:
    """The smallest p that a test can give; a t-test with two or more seeds has no lower bound.

    >>> smallest_p_of("permutation", 3), smallest_p_of("paired-t", 3)
    (0.25, 0.0)
    """
    if test == "permutation":
        return smallest_p(seeds)
    return 0.0 if seeds > 1 else 1.0
