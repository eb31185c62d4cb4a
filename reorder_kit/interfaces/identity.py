"""The name of a sample, and what identifies its image."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod

ENDS_BYTES = 4096
"""Read at the start and at the end. Image files that differ hardly ever have both, and their size, in common."""


class Identity(ABC):
    """What a sample is called wherever the data lies, and what tells its image from others."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The path from the root of the data, or the number of a row; no other sample of the source is called so."""

    @abstractmethod
    def encoded(self) -> bytes:
        """The whole file of the image.

        Raises:
            OSError: if it cannot be read.
        """

    def digest(self) -> str:
        """Size and a hash of both ends of the image's file; empty if it cannot be read."""
        try:
            encoded = self.encoded()
        except OSError:
            return ""
        return digest_of(len(encoded), encoded[:ENDS_BYTES] + encoded[max(ENDS_BYTES, len(encoded) - ENDS_BYTES) :])


def digest_of(size: int, ends: bytes) -> str:
    """A size in bytes, and a hash of what stands at both ends of a file.

    >>> digest_of(3, b"abc")
    '3-d8bb14d833d59559'
    """
    return f"{size}-{hashlib.blake2b(ends, digest_size=8).hexdigest()}"
