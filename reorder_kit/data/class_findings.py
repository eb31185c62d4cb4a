"""Report classes that no training target has, and classes whose names look alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reorder_kit.data.findings import Findings
from reorder_kit.data.spellings import composed
from reorder_kit.interfaces import Finding

ABSENT = "declared classes do not occur in the training targets"
MAPPED = "class numbers are mapped by the class names of their split"


def alike_form(name: str) -> str:
    """A name with case, outer and repeated spaces, and Unicode form normalized."""
    return " ".join(composed(name).casefold().split())


def alike_classes(classes: Sequence[str]) -> tuple[Finding, ...]:
    """Report classes that people would take for the same: they differ only in case, spaces or Unicode form.

    >>> [(found.count, found.example) for found in alike_classes(["Cat", "cat ", "dog"])]
    [(1, "'Cat' and 'cat '")]
    """
    first: dict[str, str] = {}
    findings = Findings()
    for name in classes:
        before = first.setdefault(alike_form(name), name)
        if before != name:
            findings.add("classes differ from another only in case, spaces or Unicode form", f"{before!a} and {name!a}")
    return findings.found


def tell_of_absent(classes: Sequence[str], occurring: Collection[int], findings: Findings, what: str = ABSENT) -> None:
    """Count the classes that do not occur, about which nothing is learned.

    Args:
        classes: names of all classes, by number.
        occurring: numbers of the classes that occur in training targets.
        findings: collects the finding.
        what: the wording of the finding.
    """
    absent = [name for number, name in enumerate(classes) if number not in occurring]
    if absent:
        findings.add(what, absent[0], len(absent))
