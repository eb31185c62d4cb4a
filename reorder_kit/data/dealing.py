"""Deal the images of a reopened run as they were dealt when it began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reorder_kit.data.findings import Findings
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import RecordedSplits

Item = TypeVar("Item")
Dealt = tuple[Sequence[Item], Sequence[Item], Sequence[Item]]


def deal(
    recorded: RecordedSplits | None,
    present: Sequence[Sequence[Item] | None],
    name_of: Callable[[Item], str],
    findings: Findings,
    anew: Callable[[], Dealt[Item]],
) -> Dealt[Item]:
    """Training, validation and test: those of the record, in its sequence; without one, dealt anew.

    What has been added since is left out, and counted.

    Args:
        recorded: the splits of the run that is reopened; None if there is none.
        present: what is there for training, validation and the test; None for a split that is set aside.
        name_of: the name of an image, as in the record.
        findings: where it is told how many are new.
        anew: sets aside what is missing.

    Raises:
        ReorderKitError: naming an image of the record that is not there any more.
    """
    if recorded is None:
        return anew()
    there = {name_of(item): item for items in present for item in items or ()}
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
