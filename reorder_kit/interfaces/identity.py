"""The name of a sample, and what identifies its image."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import NamedTuple

ENDS_BYTES = 4096
"""Read at the start and at the end. Different image files hardly ever share both, and their size."""


class Stored(NamedTuple):
    """How an image is stored.

    Args:
        size: the size of its file, in bytes.
        file: the same for every path to its file, and different for other files; None if it is not a file.
    """

    size: int
    file: tuple[int, int] | None = None


class Identity(ABC):
    """The name of a sample, wherever the data is stored, and what distinguishes its image from others."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The path from the root of the data, or the number of a row; unique within the source."""

    @abstractmethod
    def encoded(self) -> bytes:
        """The image's whole file.

        Raises:
            OSError: if it cannot be read.
        """

    def stored(self) -> Stored | None:
        """How its image is stored, known without reading it; None if that is not known.

        Images of large data sets, which are not read in full, are compared by this.
        """
        return None

    def digest(self) -> str:
        """Size and a hash of both ends of the image's file; empty if it cannot be read."""
        try:
            encoded = self.encoded()
        except OSError:
            return ""
        return digest_of(len(encoded), encoded[:ENDS_BYTES] + encoded[max(ENDS_BYTES, len(encoded) - ENDS_BYTES) :])


def digest_of(size: int, ends: bytes) -> str:
    """A size in bytes, and a hash of both ends of a file.

    >>> digest_of(3, b"abc")
    '3-d8bb14d833d59559'
    """
    return f"{size}-{hashlib.blake2b(ends, digest_size=8).hexdigest()}"
