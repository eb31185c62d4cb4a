"""The number of cases in randomized tests: a few in every test run, as many as you like in `make fuzz`."""

from __future__ import annotations

import os

CASES = int(os.environ.get("REORDER_KIT_FUZZ_CASES", "0"))
"""Cases per test; 0 for the usual few."""
SEED = int(os.environ.get("REORDER_KIT_FUZZ_SEED", "0"))
"""The seed; the same seed tries the same cases again."""


def cases(usual: int, most: int | None = None) -> int:
    """The number of cases in a test.

    Args:
        usual: number in every test run.
        most: maximum number.
    """
    wanted = CASES or usual
    return wanted if most is None else min(wanted, most)
