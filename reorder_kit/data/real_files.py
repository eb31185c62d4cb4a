"""Look at folders and files, whatever is wrong with their paths."""

from __future__ import annotations

import os
from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.path_lengths import shortened


class RealFiles:
    """Tells whether two paths lead to one file."""

    def __init__(self) -> None:
        self._by_inode: dict[int, str] = {}
        self._by_identity: dict[tuple[int, int], str] = {}

    def met_before(self, path: str, inode: int) -> str | None:
        """The path by which the same file was met before; None if this is the first.

        Args:
            path: how it was found; of a link that of the link.
            inode: its number in its file system; of a link that of the file that it leads to.
        """
        before = self._by_inode.setdefault(inode, path)
        if before == path:
            return None
        # Two file systems can have one number, and some over a network make them up, so a look is needed. Only here:
        # over a network a look at every file takes long.
        try:
            self._by_identity.setdefault(identity(before), before)
            met = self._by_identity.setdefault(identity(path), path)
        except OSError:  # a link that leads nowhere
            return None
        return None if met == path else met


def identity(path: str | Path) -> tuple[int, int]:
    """The same for every path that leads to one file or folder.

    Raises:
        OSError: if it is not there.
    """
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def is_folder(path: Path, field: str) -> bool:
    """Whether there is such a folder.

    Args:
        path: of the folder.
        field: the recipe's field that leads to it, for messages.

    Raises:
        ReorderKitError: if that cannot be told, as of a path that is too long.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise ReorderKitError(f"{field}: {shortened(path)} cannot be looked at: {error.strerror}") from error


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # links that lead to each other
        return False


def leads_to_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file, or a link to one, and no pipe, socket or device."""
    try:
        return entry.is_file()
    except OSError:  # links that lead to each other
        return False


def is_regular(path: Path) -> bool:
    """Whether there is such a file, and no folder, pipe, socket or device."""
    try:
        return path.is_file()
    except OSError:
        return False
