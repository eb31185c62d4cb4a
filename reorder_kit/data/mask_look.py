"""Check some masks of every split before training: do the declared classes occur in them, in one encoding?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reorder_kit.data.class_findings import tell_of_absent
from reorder_kit.data.findings import Findings
from reorder_kit.data.mask_file import Legend
from reorder_kit.data.spread import spread
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, Unreadable

LOOKED_AT = 200
"""Masks to check in the training split; fewer once all classes were seen, more while only the first was."""
LEAST = 32
"""The number of masks, spread over each split, that are always checked."""
_NAMED = 8
_WHITE = 255


class MaskedEntry(Protocol):
    """An image whose mask can be read without reading the image."""

    @property
    def path(self) -> str:
        """Its name in messages."""
        ...

    def mask_values(self) -> NDArray[Any] | Unreadable:
        """The values of the mask, as stored."""
        ...


Entries = Sequence[MaskedEntry]


def look_at_masks(
    splits: tuple[Entries, Entries, Entries],
    set_aside: Collection[str],
    classes: Sequence[str],
    legend: Legend,
    values_field: str | None,
    findings: Findings,
) -> None:
    """Report declared classes that are absent from the sampled training masks, and masks in another encoding.

    Unreadable masks are skipped; reading their images reports them.

    Args:
        splits: the images for training, validation and test.
        set_aside: which of validation and test were taken from the training images. By chance these may show only
            background, which is reported; a split from the data itself is refused.
        classes: names of the classes, by number.
        legend: the meaning of mask values.
        values_field: the recipe's field for the values of the classes; None if there is none.
        findings: collects the findings.

    Raises:
        ReorderKitError: if no sampled pixel of the training images, or of another split that was not set aside, has a
            class other than the first, the background.
    """
    train, validation, test = splits
    looks = {"training": _look_at(train, LOOKED_AT, len(classes), legend)}
    looks |= {name: _look_at(split, LEAST, 0, legend) for name, split in (("validation", validation), ("test", test))}
    for name, look in looks.items():
        if look.has_foreground or not look.looked_at:
            continue
        if name not in set_aside:
            raise _no_foreground(classes, look, name, looks["training"], values_field)
        what = f"{name} masks that were set aside have no pixel outside {classes[0]!r}, so only that class is measured"
        findings.add(what, look.example, look.looked_at)
    look = looks["training"]
    if look.looked_at:
        what = f"declared classes do not occur in the {look.looked_at} sampled training masks"
        tell_of_absent(classes, look.occurring, findings, what)
    for look in looks.values():
        # Pixels that are ignored on purpose also occur next to objects.
        if look.without_ignored and not look.with_both and look.ignored_alone:
            findings.add(
                "sampled masks have only ignored pixels and the first class, while others have objects and no ignored "
                "pixels; do all masks use the same values?",
                look.ignored_alone[0],
                len(look.ignored_alone),
            )


class _Look:
    """What has been seen in the masks of a split."""

    def __init__(self, legend: Legend) -> None:
        self._legend = legend
        self.seen: set[int] = set()
        self.occurring: set[int] = set()
        self.looked_at, self.example = 0, ""
        self.ignored_alone: list[str] = []
        """Images whose masks have ignored pixels, and otherwise only the first class."""
        self.without_ignored, self.with_both = 0, 0
        """Masks with pixels of other classes: those without ignored pixels, and those with both."""

    @property
    def has_foreground(self) -> bool:
        """Whether any pixel has a class other than the first."""
        return bool(self.occurring - {0})

    def at(self, entry: MaskedEntry) -> None:
        """Look at one more mask; an unreadable one is skipped."""
        values = entry.mask_values()
        if isinstance(values, Unreadable):
            return
        present = _distinct(values)
        try:
            numbers = set(self._legend.numbers(present).tolist())
        except ValueError:
            return
        self.looked_at, self.example = self.looked_at + 1, self.example or entry.path
        self.seen |= set(present.tolist())
        self.occurring |= numbers - {IGNORED}
        is_ignoring, has_objects = IGNORED in numbers, bool(numbers - {0, IGNORED})
        self.with_both += is_ignoring and has_objects
        self.without_ignored += has_objects and not is_ignoring
        if is_ignoring and not has_objects:
            self.ignored_alone.append(entry.path)


def _look_at(entries: Entries, most: int, wanted: int, legend: Legend) -> _Look:
    """Look at some masks, and at more until ``wanted`` classes, including one besides the first, were seen."""
    look = _Look(legend)
    first = spread(range(len(entries)), min(LEAST, most))
    second = sorted(set(spread(range(len(entries)), most)).difference(first))
    for number in first:
        look.at(entries[number])
    for number in second:
        if len(look.occurring) >= wanted:
            break
        look.at(entries[number])
    # If nearly all images show only background, the chosen ones may, too.
    rest = iter(sorted(set(range(len(entries))).difference(first, second)))
    while not look.has_foreground and (number := next(rest, -1)) >= 0:
        look.at(entries[number])
    return look


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The values that occur. If a table of all values is small, counting is much faster than sorting."""
    return np.flatnonzero(np.bincount(values.ravel())) if values.dtype in (np.uint8, np.uint16) else np.unique(values)


def _no_foreground(
    classes: Sequence[str], look: _Look, split: str, train: _Look, values_field: str | None
) -> ReorderKitError:
    hint = "check that these are the right masks, and that their values mean these classes"
    if train.has_foreground:
        hint = (
            f"scores on such a split would mean nothing; the training masks have {_listed(train.seen)}: if the splits "
            "encode masks differently, use one encoding; otherwise use another split"
        )
    elif _WHITE in look.seen and values_field is not None and len(classes) == 2:
        hint = f"if 255 is {classes[1]}, set {values_field}: [0, 255]; otherwise 255 is ignored"
    return ReorderKitError(
        f"data: the {look.looked_at} sampled {split} masks have no pixel outside the class {classes[0]!r}; their "
        f"values: {_listed(look.seen)}",
        hint,
    )


def _listed(values: set[int]) -> str:
    return ", ".join(map(str, sorted(values)[:_NAMED])) + (", ..." if len(values) > _NAMED else "")
