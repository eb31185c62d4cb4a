"""The usual names of splits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from reorder_kit.errors import ReorderKitError

Split = Literal["train", "validation", "test"]

SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""Names in lower case; case does not matter."""

_SPLIT_OF: dict[str, Split] = {name: split for split, names in SPLIT_NAMES.items() for name in names}
KNOWN_NAMES = ", ".join(_SPLIT_OF)
"""For messages."""
_OF_WHAT = re.compile("(?:data)?(?:sets?|data|images?|imgs?|files|samples|split|folder)$", re.IGNORECASE)


def split_of(name: str) -> Split | None:
    """The split that a name stands for, in any case; None for other names.

    >>> split_of("Training"), split_of("VAL"), split_of("cat")
    ('train', 'validation', None)
    """
    return _SPLIT_OF.get(name.strip().casefold())


def by_split(
    names: Iterable[str], where: str, hint: str, chosen: Mapping[Split, str | None] | None = None
) -> dict[Split, str]:
    """The names of splits among these, by split.

    Args:
        names: names of folders, files or the like; other names are skipped.
        where: where they are, for messages: the recipe's field, and what has these names.
        hint: what to do about two names for one split.
        chosen: the name that a recipe gives to a split; if it is among the names, the split's other names are skipped.

    Raises:
        ReorderKitError: if two of them stand for one split.
    """
    present = sorted(names)
    found = {split: name for split, name in (chosen or {}).items() if name in present}
    given = set(found)
    for name in present:
        split = split_of(name)
        if split is None or split in given or name in found.values():
            continue
        if split in found:
            raise ReorderKitError(f"{where} has two names for {split}, {found[split]!r} and {name!r}", hint)
        found[split] = name
    return found


def look_like_splits(names: Collection[str]) -> bool:
    """Whether at least half of these names contain the name of a split, including train and another.

    >>> look_like_splits(["training_set", "testset"]), look_like_splits(["train", "bus", "car"])
    (True, False)
    """
    splits = [_split_within(name) for name in names]
    named = [split for split in splits if split is not None]
    return 2 * len(named) >= len(splits) and "train" in named and len(set(named)) > 1


def _split_within(name: str) -> Split | None:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    splits = (split_of(_OF_WHAT.sub("", word)) for word in words)
    return next((split for split in splits if split is not None), None)
