"""Files that are written completely or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from reorder_kit.errors import AS_THEY_WERE
from reorder_kit.machine_failures import naming

UNFINISHED = ".unfinished"
"""The extension of a file that is being written. One left behind by a kill is ignored."""


def write_whole(path: Path, content: str | bytes, is_shared: bool = False) -> None:
    """Write a file so that a kill at any moment leaves either the old or the new content.

    Args:
        path: the file.
        content: bytes, or text that is written as UTF-8.
        is_shared: whether several processes may write the file at once.

    Raises:
        OSError: if it cannot be written, with its name; the old content is kept.
    """
    unique = f".{uuid4().hex}" if is_shared else ""
    unfinished = path.with_name(f"{path.name}{unique}{UNFINISHED}")
    with naming(path):
        try:
            unfinished.write_bytes(_bytes(content))
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise


def write_unless_same(path: Path, content: str | bytes) -> None:
    """Write a whole file, unless it already has this content, as when a resumed run finds its own files.

    Args:
        path: the file.
        content: bytes, or text that is written as UTF-8.

    Raises:
        OSError: if it cannot be written; the old content is kept.
    """
    with suppress(FileNotFoundError):
        if path.read_bytes() == _bytes(content):
            return
    write_whole(path, content)


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode(errors=AS_THEY_WERE)
