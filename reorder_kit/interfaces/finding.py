"""What was dropped, guessed or converted while data was read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Finding:
    """Something that was dropped, guessed or converted, with its count.

    >>> print(Finding("turned upright by their EXIF orientation", 3, "cats/7.jpg"))
    turned upright by their EXIF orientation: 3, such as cats/7.jpg

    Args:
        what: what it was, in words that a colon and a number follow; the same words for the same thing.
        count: how often.
        example: the name of one file or record.
    """

    what: str
    count: int
    example: str

    def __str__(self) -> str:
        return f"{self.what}: {self.count}, such as {self.example}"


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for each thing, with the sum of the counts and the first example.

    >>> merged([Finding("dropped", 1, "a"), Finding("turned", 1, "b"), Finding("dropped", 2, "c")])
    (Finding(what='dropped', count=3, example='a'), Finding(what='turned', count=1, example='b'))
    """
    found: dict[str, Finding] = {}
    for finding in findings:
        before = found.get(finding.what)
        found[finding.what] = finding if before is None else replace(before, count=before.count + finding.count)
    return tuple(found.values())
