"""Choose a few items spread over a long list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Items evenly spread over the list, including the first and the last.

    Lists are often sorted by class or by folder, so that their first items have much in common.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']

    Args:
        items: the list.
        most: the number of items; all if there are fewer.
    """
    count = min(len(items), most)
    if count < 2:
        return list(items[:count])
    return [items[number * (len(items) - 1) // (count - 1)] for number in range(count)]
