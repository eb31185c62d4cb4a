"""Look at some training masks before training: do the declared classes occur in them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reorder_kit.data.class_findings import tell_of_absent
from reorder_kit.data.findings import Findings
from reorder_kit.data.mask_file import Legend
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, Unreadable

LOOKED_AT = 200
"""So many masks, spread over the training split; fewer where all classes were met, more where only the first was."""
_NAMED = 8
_WHITE = 255


class MaskedEntry(Protocol):
    """An image whose mask can be read without it."""

    def mask_values(self) -> NDArray[Any] | Unreadable:
        """The values of the mask as they are stored."""
        ...


def look_at_masks(
    entries: Sequence[MaskedEntry], classes: Sequence[str], legend: Legend, values_field: str | None, findings: Findings
) -> None:
    """Tell of declared classes that do not occur in the training masks looked at.

    Masks that cannot be read are passed over; reading their images tells of them.

    Args:
        entries: the training images.
        classes: names of the classes, by number.
        legend: what the values of masks stand for.
        values_field: the recipe's field for the values of the classes; None if there is none.
        findings: collects what was found.

    Raises:
        ReorderKitError: if no pixel has any class but the first, the background.
    """
    look = _Look(legend)
    chosen = np.unique(np.linspace(0, len(entries) - 1, min(LOOKED_AT, len(entries))).round().astype(int)).tolist()
    for number in chosen:
        look.at(entries[number])
        if len(look.occurring) == len(classes):
            return
    # Where nearly all images show nothing, those that were chosen may show nothing either.
    rest = iter(sorted(set(range(len(entries))) - set(chosen)))
    while not look.has_foreground and (number := next(rest, None)) is not None:
        look.at(entries[number])
    if look.looked_at and not look.has_foreground:
        raise _no_foreground(classes, look.seen, look.looked_at, values_field)
    if look.looked_at:
        what = f"declared classes do not occur in the {look.looked_at} training masks looked at"
        tell_of_absent(classes, look.occurring, findings, what)


class _Look:
    """What was seen in masks so far."""

    def __init__(self, legend: Legend) -> None:
        self._legend = legend
        self.seen: set[int] = set()
        self.occurring: set[int] = set()
        self.looked_at = 0

    @property
    def has_foreground(self) -> bool:
        """Whether a pixel has any class but the first."""
        return bool(self.occurring - {0})

    def at(self, entry: MaskedEntry) -> None:
        """Look at one more mask; one that cannot be read is passed over."""
        values = entry.mask_values()
        if isinstance(values, Unreadable):
            return
        present = _distinct(values)
        try:
            numbers = self._legend.numbers(present)
        except ValueError:
            return
        self.looked_at += 1
        self.seen |= set(present.tolist())
        self.occurring |= set(numbers.tolist()) - {IGNORED}


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The values that occur. Counting is much faster than sorting, where a table of all values is small."""
    return np.flatnonzero(np.bincount(values.ravel())) if values.dtype in (np.uint8, np.uint16) else np.unique(values)


def _no_foreground(classes: Sequence[str], seen: set[int], looked_at: int, values_field: str | None) -> ReorderKitError:
    values = ", ".join(map(str, sorted(seen)[:_NAMED])) + (", ..." if len(seen) > _NAMED else "")
    hint = "are these the right masks, and do their values stand for these classes?"
    if _WHITE in seen and values_field is not None and len(classes) == 2:
        hint = f"if 255 is {classes[1]}, set {values_field}: [0, 255]; otherwise 255 is ignored"
    return ReorderKitError(
        f"data: the {looked_at} training masks looked at have no pixel of a class but {classes[0]!r}; their values: "
        f"{values}",
        hint,
    )
