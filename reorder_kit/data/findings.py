"""A collection of what a source drops, guesses or converts while it opens its data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from reorder_kit.interfaces import Finding, merged


class Findings:
    """Counts what happens to files and records.

    Args:
        found: the findings so far.

    >>> findings = Findings()
    >>> findings.add("hidden files are left out", ".a.jpg")
    >>> findings.add("hidden files are left out", ".b.jpg")
    >>> findings.found
    (Finding(what='hidden files are left out', count=2, example='.a.jpg'),)
    """

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        self._found = {finding.what: finding for finding in merged(found)}

    def add(self, what: str, example: str, count: int = 1) -> None:
        """Count something; a count of 0 adds nothing.

        Args:
            what: a description that a colon and a number can follow; always the same words for the same thing.
            example: the name of one file or record.
            count: how often it happened.
        """
        before = self._found.get(what)
        if before is not None:
            self._found[what] = replace(before, count=before.count + count)
        elif count:
            self._found[what] = Finding(what, count, example)

    def noting(self, example: str) -> Callable[[str], None]:
        """A function that counts something once per call, with this example."""
        return lambda what: self.add(what, example)

    @property
    def found(self) -> tuple[Finding, ...]:
        """All findings, each once, in the sequence of their first occurrence."""
        return tuple(self._found.values())
