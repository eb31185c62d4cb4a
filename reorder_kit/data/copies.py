"""Find images whose files have the same bytes."""

from __future__ import annotations

import hashlib
from typing import Generic, TypeVar

from reorder_kit.interfaces import Identity

Kept = TypeVar("Kept")

MOST_COMPARED = 50_000
"""Both ends of this many files can be read over a network within minutes; larger data is not compared."""


class Copies(Generic[Kept]):
    """Remembers images by their content. Whole files are read only if their sizes and both ends agree."""

    def __init__(self) -> None:
        self._alone: dict[str, tuple[Identity, Kept]] = {}
        self._by_content: dict[str, dict[str, Kept]] = {}

    def first(self, identity: Identity, kept: Kept) -> Kept:
        """The value kept for the first image with the same bytes; this image's, if it is the first or unreadable.

        Args:
            identity: the image's identity.
            kept: the value to keep for it.
        """
        digest = identity.digest()
        if not digest:
            return kept
        if digest not in self._alone and digest not in self._by_content:
            self._alone[digest] = (identity, kept)
            return kept
        same_ends = self._by_content.setdefault(digest, {})
        if digest in self._alone:
            before, of_before = self._alone.pop(digest)
            same_ends[_content(before)] = of_before
        content = _content(identity)
        return same_ends.setdefault(content, kept) if content else kept


def _content(identity: Identity) -> str:
    """A hash of all bytes; empty if there are none or they cannot be read."""
    try:
        encoded = identity.encoded()
    except OSError:
        return ""
    return hashlib.sha256(encoded).hexdigest() if encoded else ""
