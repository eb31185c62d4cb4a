"""Shards that are read by position."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock

_OPEN_FILES = 64
_BINARY: int = getattr(os, "O_BINARY", 0)
"""Without it, Windows would change ends of lines."""


class ShardFiles:
    """Shards that stay open between reads, the last few of them.

    Every process opens its own after it was sent the object. One that was forked may go on with what it inherits, since
    reads name their position and share none.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[Path, int] = OrderedDict()
        self._position = Lock()

    def __reduce__(self) -> tuple[type[ShardFiles], tuple[()]]:
        return ShardFiles, ()

    def __del__(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """Bytes of a shard.

        Raises:
            OSError: if they are not there.
        """
        descriptor = self._open.get(path)
        if descriptor is None:
            descriptor = self._open[path] = os.open(path, os.O_RDONLY | _BINARY)
            if len(self._open) > _OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(path)
        data = self._read(descriptor, offset, size)
        if len(data) < size:
            raise OSError(f"the shard has {len(data)} of {size} bytes at {offset}; it was changed since it was opened")
        return data

    def _read(self, descriptor: int, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(descriptor, size, offset)
        # Windows, where processes are not forked, so that threads alone share the position.
        with self._position:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, size)
