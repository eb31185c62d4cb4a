"""Deal images to splits: either anew, with copies of an image together, or as when a run began."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from reorder_kit.data.copies import MOST_COMPARED, Copies
from reorder_kit.data.findings import Findings
from reorder_kit.data.spellings import RESPELLED_FOUND, composed
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Identity, RecordedSplits

Item = TypeVar("Item")
Dealt = tuple[Sequence[Item], Sequence[Item], Sequence[Item]]


class OtherImagesError(ReorderKitError):
    """The images are not the ones that a run began with."""


class GoneImagesError(OtherImagesError):
    """Images that a run began with are missing."""


def deal(
    recorded: RecordedSplits | None,
    present: Sequence[Sequence[Item] | None],
    identify: Callable[[Item], Identity],
    findings: Findings,
    anew: Callable[[Sequence[Item]], Dealt[Item]],
) -> Dealt[Item]:
    """The training, validation and test images: as recorded, in the same sequence, or dealt anew without a record.

    Images added since the run began are left out and counted. When images are dealt anew, those with the same content
    go into the same split.

    Args:
        recorded: the splits of the run that is reopened; None for a new run.
        present: the images for training, validation and test; None for a split that is set aside from training.
        identify: gives the identity of an image.
        findings: collects what was done.
        anew: sets aside the missing splits from these training images.

    Raises:
        GoneImagesError: naming a recorded image that is missing.
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
    respelled = _respelled(recorded, there)
    for split, names in recorded:
        gone = [name for name in names if name not in there and name not in respelled]
        if gone:
            raise GoneImagesError(
                f"data: {len(gone)} of the {len(names)} {split} images that the run began with are missing,"
                f" such as {gone[0]}",
                "put them back, or start a new run",
            )
    known = recorded.split_of()
    found = set(respelled.values())
    if respelled:
        findings.add(RESPELLED_FOUND, next(iter(respelled.values())), len(respelled))
    new = [name for name in there if name not in known and name not in found]
    if new:
        findings.add("images were added since the run began, and are left out", new[0], len(new))
    train, validation, test = ([there[respelled.get(name, name)] for name in names] for _, names in recorded)
    return train, validation, test


def _respelled(recorded: RecordedSplits, there: Collection[str]) -> dict[str, str]:
    """Present names by recorded name, where the two differ only in Unicode form."""
    missing = [name for _, names in recorded for name in names if name not in there and not name.isascii()]
    if not missing:
        return {}
    known = recorded.split_of()
    free: dict[str, list[str]] = {}
    for name in there:
        if name not in known and not name.isascii():
            free.setdefault(composed(name), []).append(name)
    return {name: found[0] for name in missing if len(found := free.get(composed(name), [])) == 1}


def _with_copies(
    train: Sequence[Item],
    identify: Callable[[Item], Identity],
    findings: Findings,
    anew: Callable[[Sequence[Item]], Dealt[Item]],
) -> Dealt[Item]:
    """Deal one copy of each image anew, then put its other copies into the same split."""
    found = Copies[int]()
    originals: list[Item] = []
    copies: dict[int, list[Item]] = {}
    for item in train:
        identity = identify(item)
        original = found.first(identity, len(originals))
        if original < len(originals):
            copies.setdefault(original, []).append(item)
            findings.add("images are copies of others, and stay in the same split", identity.name)
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
    """The images that a run began with; all of them if nothing was recorded."""
    if recorded is None:
        return items
    known = set(map(composed, recorded.split_of()))
    return [item for item in items if composed(identify(item).name) in known]
