"""The identity of an image file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from reorder_kit.interfaces import Identity
from reorder_kit.interfaces.identity import ENDS_BYTES, Stored, digest_of


@dataclass(frozen=True)
class NamedFile(Identity):
    """A file identified by a given name.

    Args:
        key: the name.
        path: the file.
    """

    key: str
    path: str

    @property
    def name(self) -> str:
        """The name."""
        return self.key

    def encoded(self) -> bytes:
        """The whole file."""
        return Path(self.path).read_bytes()

    def stored(self) -> Stored | None:
        """The file's size and place, without reading its content."""
        try:
            status = Path(self.path).stat()
        except OSError:
            return None
        return Stored(status.st_size, (status.st_dev, status.st_ino))

    def digest(self) -> str:
        """The digest, without reading the bytes between the ends."""
        try:
            with Path(self.path).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                ends = file.read(ENDS_BYTES)
                file.seek(max(ENDS_BYTES, size - ENDS_BYTES))
                return digest_of(size, ends + file.read(ENDS_BYTES))
        except OSError:
            return ""


class FileIdentity(NamedFile):
    """A file below the data's folder, named by its relative path.

    Args:
        root: the data's folder.
        path: the file.
    """

    def __init__(self, root: Path, path: str) -> None:
        super().__init__(name_below(root, path), path)


def name_below(root: Path, path: str) -> str:
    """A file's name wherever the data lies: its path from the root, with slashes; the full path if it is elsewhere.

    >>> name_below(Path("/data"), "/data/cats/7.jpg"), name_below(Path("/data"), "/elsewhere/7.jpg")
    ('cats/7.jpg', '/elsewhere/7.jpg')
    """
    found = PurePath(path)
    name = found.relative_to(root).as_posix() if found.is_relative_to(root) else found.as_posix()
    # The same characters in every environment, even if its file names are ASCII.
    return os.fsencode(name).decode(errors="surrogateescape")
