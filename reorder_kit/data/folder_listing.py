"""Look whether many files are there."""

from __future__ import annotations

import os
from pathlib import Path


class FolderListing:
    """Files by the folders they are in, each of which is listed once: on a network a look at every file takes long."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def has(self, path: Path) -> bool:
        """There is such a file."""
        folder, name = os.path.split(path)
        if folder not in self._names:
            self._names[folder] = _files_in(folder)
        # A file system may know it by other letters, small or large ones.
        return name in self._names[folder] or path.is_file()


def _files_in(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()
