"""Deal images to splits: anew, copies of an image together; or as they were dealt when a run began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reorder_kit.data.findings import Findings
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Identity, RecordedSplits

Item = TypeVar("Item")
Dealt = tuple[Sequence[Item], Sequence[Item], Sequence[Item]]

MOST_COMPARED = 100_000
"""Both ends of so many files are read in some seconds; the images of larger data are not compared."""


def deal(
    recorded: RecordedSplits | None,
    present: Sequence[Sequence[Item] | None],
    identify: Callable[[Item], Identity],
    findings: Findings,
    anew: Callable[[], Dealt[Item]],
) -> Dealt[Item]:
    """Training, validation and test: those of the record, in its sequence; without one, dealt anew.

    What has been added since a run began is left out, and counted. Of images dealt anew, those with the same content
    come into the same split.

    Args:
        recorded: the splits of the run that is reopened; None if there is none.
        present: what is there for training, validation and the test; None for a split that is set aside from training.
        identify: tells an image from others.
        findings: where it is told what was done.
        anew: sets aside what is missing.

    Raises:
        ReorderKitError: naming an image of the record that is not there any more.
    """
    if recorded is not None:
        return _as_recorded(recorded, present, identify, findings)
    return _with_copies_together(anew(), [items is None for items in present], identify, findings)


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
            raise ReorderKitError(
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


def _with_copies_together(
    dealt: Dealt[Item], is_set_aside: Sequence[bool], identify: Callable[[Item], Identity], findings: Findings
) -> Dealt[Item]:
    """An image that was set aside goes back to the split of its copy: to train, else to the test."""
    own = [number for number, aside in enumerate(is_set_aside) if aside or number == 0]
    if len(own) == 1 or sum(len(dealt[number]) for number in own) > MOST_COMPARED:
        return dealt
    home: dict[str, tuple[int, Identity]] = {}
    splits = [list(items) for items in dealt]
    for split in sorted(own, key=(0, 2, 1).index):
        stay = []
        for item in splits[split]:
            identity = identify(item)
            first, other = home.setdefault(identity.digest(), (split, identity))
            if first == split or not is_copy(identity, other):
                stay.append(item)
            else:
                splits[first].append(item)
                findings.add("images are copies of others, and stay in one split with them", identity.name)
        splits[split] = stay
    train, validation, test = splits
    return train, validation, test


def is_copy(one: Identity, other: Identity) -> bool:
    """Two images with one digest have the same bytes; none is a copy of what cannot be read."""
    try:
        content = one.encoded()
        return bool(content) and content == other.encoded()
    except OSError:
        return False
