"""Deal images to splits: anew, copies of an image together; or as they were dealt when a run began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reorder_kit.data.copies import MOST_COMPARED, Copies
from reorder_kit.data.findings import Findings
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Identity, RecordedSplits

Item = TypeVar("Item")
Dealt = tuple[Sequence[Item], Sequence[Item], Sequence[Item]]


class GoneImagesError(ReorderKitError):
    """Images that a run began with are not there any more."""


def deal(
    recorded: RecordedSplits | None,
    present: Sequence[Sequence[Item] | None],
    identify: Callable[[Item], Identity],
    findings: Findings,
    anew: Callable[[Sequence[Item]], Dealt[Item]],
) -> Dealt[Item]:
    """Training, validation and test: those of the record, in its sequence; without one, dealt anew.

    What has been added since a run began is left out, and counted. Of images dealt anew, those with the same content
    come into the same split.

    Args:
        recorded: the splits of the run that is reopened; None if there is none.
        present: what is there for training, validation and the test; None for a split that is set aside from training.
        identify: tells an image from others.
        findings: collects what was done.
        anew: sets aside what is missing from these training images.

    Raises:
        GoneImagesError: naming an image of the record that is not there any more.
    """
    if recorded is not None:
        return _as_recorded(recorded, present, identify, findings)
    train = present[0] or ()
    if None not in present or len(train) > MOST_COMPARED:
        return anew(train)
    return _with_copies(train, identify, findings, anew)


def _as_recorded(
    recorded: RecordedSplits,
    present: Sequence[Sequence[Item] | None],
    identify: Callable[[Item], Identity],
    findings: Findings,
) -> Dealt[Item]:
    there = {identify(item).name: item for items in present for item in items or ()}
    for split, names in recorded:
        gone = [name for name in names if name not in there]
        if gone:
            raise GoneImagesError(
                f"data: {len(gone)} of the {len(names)} {split} images that the run began with are not there any more,"
                f" such as {gone[0]}",
                "put them back, or start a new run",
            )
    known = recorded.split_of()
    new = [name for name in there if name not in known]
    if new:
        findings.add("images are new since the run began, and left out", new[0], len(new))
    train, validation, test = ([there[name] for name in names] for _, names in recorded)
    return train, validation, test


def _with_copies(
    train: Sequence[Item],
    identify: Callable[[Item], Identity],
    findings: Findings,
    anew: Callable[[Sequence[Item]], Dealt[Item]],
) -> Dealt[Item]:
    """Deal one of each image anew, then put its copies beside it."""
    found = Copies[int]()
    originals: list[Item] = []
    copies: dict[int, list[Item]] = {}
    for item in train:
        identity = identify(item)
        original = found.first(identity, len(originals))
        if original < len(originals):
            copies.setdefault(original, []).append(item)
            findings.add("images are copies of others, and stay in one split with them", identity.name)
        else:
            originals.append(item)
    dealt = anew(originals)
    if not copies:
        return dealt
    number_of = {identify(item).name: number for number, item in enumerate(originals)}

    def completed(items: Sequence[Item]) -> list[Item]:
        return [each for item in items for each in (item, *copies.get(number_of.get(identify(item).name, -1), ()))]

    train, validation, test = map(completed, dealt)
    return train, validation, test


def began_with(
    recorded: RecordedSplits | None, items: Sequence[Item], identify: Callable[[Item], Identity]
) -> Sequence[Item]:
    """Those of these images that a run began with; all of them where nothing was recorded."""
    if recorded is None:
        return items
    known = recorded.split_of()
    return [item for item in items if identify(item).name in known]
