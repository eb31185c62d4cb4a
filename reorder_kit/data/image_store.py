"""Numbered byte strings in one file that many processes fill and read, on disk or in memory."""

from __future__ import annotations

import logging
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import context, reduction
from pathlib import Path
from threading import Lock
from typing import Any

from reorder_kit.errors import ReorderKitError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)

# Magic bytes, count of numbers, end of the file, and whether it is full.
_HEAD = struct.Struct("<8sQQQ")
_MARK = b"rk-img-1"
# Offset and length of the bytes of a number; zeros if they are not stored yet.
_ENTRY = struct.Struct("<QQ")


class ImageStore:
    """A file of numbered byte strings.

    The first process to have the bytes of a number stores them. Worker processes share the file, whether forked or
    spawned; any other ``pickle`` copy starts empty.

    Args:
        count: how many numbers there are.
        limit: the largest size of the file, in bytes.
        path: the file; None to keep it in memory.

    Raises:
        ReorderKitError: if the operating system does not support this, or the file cannot be created.
    """

    def __init__(self, count: int, limit: int, path: Path | None = None) -> None:
        if fcntl is None or not hasattr(os, "pwrite"):
            raise ReorderKitError("data.cache: this operating system cannot share decoded images", "use cache: none")
        self._count, self._limit, self.path = count, limit, path
        try:
            self._file = _in_memory() if path is None else os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            self._lock = Lock()
            with self._alone():
                head = os.pread(self._file, _HEAD.size, 0)
                if len(head) < _HEAD.size or _HEAD.unpack(head)[:2] != (_MARK, count):
                    os.ftruncate(self._file, 0)
                    end = _HEAD.size + count * _ENTRY.size
                    os.ftruncate(self._file, end)
                else:
                    end, _ = self._read_head()
                self._write_head(end, is_full=False)
        except OSError as error:
            raise ReorderKitError(f"data.cache: {path or 'memory'} cannot be used: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is None and context.get_spawning_popen() is not None:
            return _reopened, (reduction.DupFd(self._file), self._count, self._limit)
        return ImageStore, (self._count, self._limit, self.path)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "_file"):
            close(self._file)

    def get(self, number: int) -> bytearray | None:
        """The bytes of a number; None if they are not stored yet."""
        entry = os.pread(self._file, _ENTRY.size, _HEAD.size + number * _ENTRY.size)
        offset, size = _ENTRY.unpack(entry)
        return bytearray(os.pread(self._file, size, offset)) if size else None

    def put(self, number: int, content: bytes) -> None:
        """Store the bytes of a number, unless the file is full."""
        with self._alone():
            offset, is_full = self._read_head()
            if is_full:
                return
            if offset + len(content) > self._limit:
                self._close_for_more(offset, f"it has reached {self._limit:,} bytes")
                return
            self._write_head(offset + len(content), is_full=False)
        try:
            _write(self._file, content, offset)
        except OSError as error:
            with self._alone():
                self._close_for_more(self._read_head()[0], str(error))
            return
        with self._alone():  # the lock also ensures that no processor sees this entry before the bytes it points to
            _write(self._file, _ENTRY.pack(offset, len(content)), _HEAD.size + number * _ENTRY.size)

    def _close_for_more(self, end: int, reason: str) -> None:
        self._write_head(end, is_full=True)
        _log.warning("data.cache: the remaining images are decoded every time: %s", reason)

    def _read_head(self) -> tuple[int, bool]:
        _, _, end, is_full = _HEAD.unpack(os.pread(self._file, _HEAD.size, 0))
        return end, bool(is_full)

    def _write_head(self, end: int, is_full: bool) -> None:
        _write(self._file, _HEAD.pack(_MARK, self._count, end, is_full), 0)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep out all other threads and processes while the context is active."""
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


def _in_memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("reorder-kit-images")
    # On other systems, an unnamed file, which the system keeps in memory if it can.
    descriptor, name = tempfile.mkstemp()
    Path(name).unlink()
    return descriptor


def _reopened(sent: Any, count: int, limit: int) -> ImageStore:
    store = ImageStore.__new__(ImageStore)
    store._count, store._limit, store.path = count, limit, None
    store._file, store._lock = sent.detach(), Lock()
    return store


def _write(file: int, content: bytes, offset: int) -> None:
    """Write all of the content, because one write may stop in the middle.

    Raises:
        OSError: if there is no space.
    """
    written = 0
    while written < len(content):
        written += os.pwrite(file, memoryview(content)[written:], offset + written)
