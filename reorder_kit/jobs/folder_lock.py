"""A folder in which one process works at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reorder_kit.errors import ReorderKitError


@contextmanager
def alone(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold a folder so that no other process works in it; where the system has no locks, trust that none does.

    Args:
        folder: which one; it has to be there.
        wait: until the other is done.

    Raises:
        ReorderKitError: if another process holds it, and this one does not wait.
    """
    try:
        import fcntl
    except ImportError:  # as on Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise ReorderKitError(f"{folder}: another process is at work on it", "wait until it is done") from None
        yield
    finally:
        os.close(handle)
