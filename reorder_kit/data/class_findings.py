"""Tell of classes that no training target has, and of those that are called by other numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reorder_kit.data.findings import Findings

ABSENT = "declared classes do not occur in the training targets"
MAPPED = "class numbers are mapped by the names that their split gives"


def tell_of_absent(classes: Sequence[str], occurring: Collection[int], findings: Findings, what: str = ABSENT) -> None:
    """Count the classes that do not occur; nothing is learned of them.

    Args:
        classes: names of all classes, by number.
        occurring: numbers of those that a training target has.
        findings: collects what was found.
        what: the words of the finding.
    """
    absent = [name for number, name in enumerate(classes) if number not in occurring]
    if absent:
        findings.add(what, absent[0], len(absent))
