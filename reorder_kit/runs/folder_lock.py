"""Locks that let only one process at a time work on a folder or a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.util import register_after_fork
from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.whole_file import UNFINISHED

LOCK = ".lock"
"""The lock file in a folder. It is removed afterwards; one left behind by a kill is ignored."""

_log = logging.getLogger(__name__)


class Lock:
    """A file that one process, or the processes of one run, keep locked.

    The system releases the lock when they end for any reason. Forked processes do not hold it, because data loaders may
    outlive a killed run by seconds.

    Args:
        path: the file, which is created if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        register_after_fork(self, Lock.close)

    def take(self, wait: bool = False) -> bool:
        """Lock it against all other processes, and return whether that worked.

        Args:
            wait: wait until the others are done.

        Raises:
            OSError: if the file cannot be created, or its folder is gone.
        """
        while True:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                is_taken = self._lock(is_shared=False, wait=wait, warns=True)
            except BaseException:
                self.close()
                raise
            if is_taken and self._is_there():
                return True
            self.close()
            if not is_taken:
                return False
            # The previous holder has removed the file meanwhile, and others will lock a new one.

    def share(self) -> None:
        """Share the lock with the other processes of the run, but with no others."""
        self._lock(is_shared=True, wait=True)

    def join(self) -> None:
        """Hold a lock that the main process of the run shares; do nothing if its folder is not visible here."""
        with suppress(FileNotFoundError):
            self._handle = os.open(self._path, os.O_RDWR)
            self._lock(is_shared=True, wait=True)

    def take_over(self) -> bool:
        """Whether all other processes of the run have released it."""
        return self._handle is not None and self._lock(is_shared=False, wait=False)

    def remove(self) -> None:
        """Delete the file; only for the sole holder of the lock."""
        with suppress(OSError):
            self._path.unlink()
        self.close()

    def close(self) -> None:
        """Release the lock."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _lock(self, is_shared: bool, wait: bool, warns: bool = False) -> bool:
        """Whether it is locked now; on systems without locks, assume that no other process is there."""
        assert self._handle is not None
        try:
            import fcntl
        except ImportError:  # as on Windows
            is_locked = None
        else:
            mode = (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
            is_locked = _flock(self._handle, mode)
        if is_locked is None and warns:
            _log.warning("%s: locks are not supported here; make sure that no other process uses it", self._path.parent)
        return is_locked is not False

    def _is_there(self) -> bool:
        """Whether the locked file is still the one at the path."""
        assert self._handle is not None
        try:
            return os.path.samestat(os.fstat(self._handle), self._path.stat())
        except FileNotFoundError:
            return False


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder so that no other process works in it; on systems without locks, only warn.

    Args:
        folder: the folder, which must exist.

    Raises:
        ReorderKitError: if another process holds it, or it is not writable.
    """
    with _held(folder / LOCK, folder):
        yield


@contextmanager
def alone_with(file: Path) -> Iterator[None]:
    """Hold a file, which need not exist yet, so that no other process works with it.

    Raises:
        ReorderKitError: if another process holds it, or its folder is not writable.
    """
    if not file.name:
        raise ReorderKitError(f"{file}: it is a folder", "give a file")
    with _held(file.with_name(f".{file.name}{LOCK}"), file):
        yield


def is_held(folder: Path) -> bool:
    """Whether a process works in a folder now. Nothing is created."""
    if not (folder / LOCK).exists():
        return False
    lock = Lock(folder / LOCK)
    with suppress(OSError):
        if not lock.take():
            return True
        lock.remove()
    return False


def holds_nothing(folder: Path) -> bool:
    """Whether a folder exists and is empty, apart from what a process killed early leaves behind.

    Raises:
        ReorderKitError: if it cannot be listed.
    """
    try:
        return folder.is_dir() and all(path.name == LOCK or path.suffix == UNFINISHED for path in folder.iterdir())
    except OSError as error:
        raise ReorderKitError(f"{folder}: cannot be listed: {error.strerror}") from None


@contextmanager
def _held(path: Path, what: Path) -> Iterator[None]:
    lock = Lock(path)
    try:
        is_taken = lock.take()
    except OSError as error:
        raise ReorderKitError(f"{what}: cannot be written: {error.strerror}", "give another --out") from None
    if not is_taken:
        raise ReorderKitError(f"{what}: another process is working on it", "wait until it is done")
    try:
        yield
    finally:
        lock.remove()


def _flock(handle: int, mode: int) -> bool | None:
    """Whether a file is locked now; None if its file system does not support locks."""
    import fcntl

    try:
        fcntl.flock(handle, mode)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
