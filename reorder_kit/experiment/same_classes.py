"""Checks that data still has the classes that a model was trained for, which knows them only by number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from reorder_kit.data.spellings import composed
from reorder_kit.errors import ReorderKitError


def difference_of_classes(recorded: Sequence[str], opened: Sequence[str]) -> str | None:
    """The first class that differs, in words; None if none does. The Unicode form of a name does not matter.

    >>> difference_of_classes(["cat", "dog"], ["cat", "hound"])
    "class 1 was 'dog' and is now 'hound'"

    Args:
        recorded: names of the classes, by number, as they were in training.
        opened: names of the current data's classes.
    """
    for number, (was, is_now) in enumerate(zip_longest(recorded, opened)):
        if was == is_now or (was is not None and is_now is not None and composed(was) == composed(is_now)):
            continue
        if was is None:
            return f"there is an additional class, {is_now!r}"
        if is_now is None:
            return f"class {number}, {was!r}, is gone"
        return f"class {number} was {was!r} and is now {is_now!r}"
    return None


def require_same_classes(recorded: Sequence[str], opened: Sequence[str], source: str) -> None:
    """Refuse data whose classes were renamed, added, removed or reordered since a model was trained.

    Args:
        recorded: names of the classes, by number, as they were in training.
        opened: names of the current data's classes.
        source: the run's name in messages.

    Raises:
        ReorderKitError: naming the first class that differs.
    """
    difference = difference_of_classes(recorded, opened)
    if difference is not None:
        raise ReorderKitError(
            f"{source}: the classes of its data differ from those in training: {difference}",
            "restore the names and the sequence of the classes, or give the data that the run was trained with",
        )
