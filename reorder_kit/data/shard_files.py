"""Shards that are read by position."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock

_OPEN_FILES = 64
_BINARY: int = getattr(os, "O_BINARY", 0)
"""Keeps Windows from converting line ends."""


class ShardFiles:
    """Shards, of which the last few stay open between reads.

    A process that receives a pickled copy opens the files itself. A forked process may use inherited files, because
    each read gives its own position.
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
            OSError: if they cannot be read.
        """
        descriptor = self._open.get(path)
        if descriptor is None:
            descriptor = self._open[path] = os.open(path, os.O_RDONLY | _BINARY)
            if len(self._open) > _OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(path)
        data = self._read(descriptor, offset, size)
        if len(data) < size:
            raise OSError(f"the shard has {len(data)} of {size} bytes at {offset}; it has changed since it was opened")
        return data

    def _read(self, descriptor: int, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(descriptor, size, offset)
        # On Windows processes are not forked, so only threads share the position.
        with self._position:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, size)
