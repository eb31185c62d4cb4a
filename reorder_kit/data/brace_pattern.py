"""Names from a pattern with braces, up to the largest number of shards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from braceexpand import braceexpand

MOST_NAMES = 100_000
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?\}", re.ASCII)


def names_of(pattern: str) -> Iterator[str]:
    """The names that a pattern stands for, such as a0.tar and a1.tar for ``a{0..1}.tar``.

    Raises:
        ValueError: if braces are unbalanced, or it stands for more than :data:`MOST_NAMES`.
    """
    # Check before expanding, because braceexpand writes all numbers of a range at once.
    for found in _RANGE.finditer(pattern):
        first, last, step = (int(number) if number else 1 for number in found.groups())
        if abs(last - first) // max(1, abs(step)) >= MOST_NAMES:
            raise ValueError(f"{found[0]} in {pattern!r} stands for more than {MOST_NAMES:,} names")
    for place, name in enumerate(islice(braceexpand(pattern), MOST_NAMES + 1)):
        if place == MOST_NAMES:
            raise ValueError(f"{pattern!r} stands for more than {MOST_NAMES:,} names")
        yield name
