"""How many cases tests of random cases try: a few in every run of the tests, as many as one likes in `make fuzz`."""

from __future__ import annotations

import os

CASES = int(os.environ.get("REORDER_KIT_FUZZ_CASES", "0"))
"""Cases of each test; 0 for the usual few."""
SEED = int(os.environ.get("REORDER_KIT_FUZZ_SEED", "0"))
"""Another one tries other cases; the same one tries the same cases again."""


def cases(usual: int, most: int | None = None) -> int:
    """How many cases a test tries.

    Args:
        usual: in every run of the tests.
        most: there are no more.
    """
    wanted = CASES or usual
    return wanted if most is None else min(wanted, most)
