"""Inspect folders and files, even if their paths are broken."""

from __future__ import annotations

import os
from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.path_lengths import shortened


class RealFiles:
    """Finds paths that lead to the same file."""

    def __init__(self) -> None:
        self._by_inode: dict[int, str] = {}
        self._by_identity: dict[tuple[int, int], str] = {}

    def met_before(self, path: str, inode: int) -> str | None:
        """The earlier path to the same file; None if this is the first.

        Args:
            path: the path; for a link, the link's own.
            inode: the inode number; for a link, that of its target.
        """
        before = self._by_inode.setdefault(inode, path)
        if before == path:
            return None
        # Two file systems can use the same number, and some network file systems make numbers up, so equal numbers are
        # verified. Only those: checking every file over a network takes long.
        try:
            self._by_identity.setdefault(identity(before), before)
            met = self._by_identity.setdefault(identity(path), path)
        except OSError:  # a broken link
            return None
        return None if met == path else met


def identity(path: str | Path) -> tuple[int, int]:
    """Numbers that are the same for every path to a file or folder.

    Raises:
        OSError: if it does not exist.
    """
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def is_folder(path: Path, field: str) -> bool:
    """Whether the path is a folder.

    Args:
        path: the path.
        field: the recipe's field that leads to it, for messages.

    Raises:
        ReorderKitError: if that cannot be determined, for instance if the path is too long.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise ReorderKitError(f"{field}: {shortened(path)} cannot be accessed: {error.strerror}") from error


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # links that lead to each other
        return False


def leads_to_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file, or a link to one."""
    try:
        return entry.is_file()
    except OSError:  # links that lead to each other
        return False


def is_regular(path: Path) -> bool:
    """Whether the path is a regular file."""
    try:
        return path.is_file()
    except OSError:
        return False
