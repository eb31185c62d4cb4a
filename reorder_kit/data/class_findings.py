"""Tell of classes that no training target has, and of those that are called by other numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reorder_kit.data.findings import Findings
from reorder_kit.data.spellings import composed
from reorder_kit.interfaces import Finding

ABSENT = "declared classes do not occur in the training targets"
MAPPED = "class numbers are mapped by the names that their split gives"


def alike_form(name: str) -> str:
    """What is left of a name without case, spaces at its ends, repeated ones, and its Unicode form."""
    return " ".join(composed(name).casefold().split())


def alike_classes(classes: Sequence[str]) -> tuple[Finding, ...]:
    """Tell of classes that people would take for one: equal but for case, spaces or Unicode form.

    >>> [(found.count, found.example) for found in alike_classes(["Cat", "cat ", "dog"])]
    [(1, "'Cat' and 'cat '")]
    """
    first: dict[str, str] = {}
    findings = Findings()
    for name in classes:
        before = first.setdefault(alike_form(name), name)
        if before != name:
            findings.add("classes equal another but for case, spaces or Unicode form", f"{before!a} and {name!a}")
    return findings.found


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
