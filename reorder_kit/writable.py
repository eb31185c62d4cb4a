"""Whether something can be written, asked before anything is computed for it."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.machine_failures import naming
from reorder_kit.whole_file import UNFINISHED

_HINT = "give another place"


def require_writable_folder(folder: Path) -> None:
    """Refuse a folder that files cannot be written into. One that is not there yet is not made.

    Raises:
        ReorderKitError: if it is something else, or cannot be written or made.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if _is_there(place))
    if not there.is_dir():
        raise ReorderKitError(f"{folder}: cannot be written: {there} is not a folder", _HINT)
    trial = there / f".{uuid4().hex}{UNFINISHED}"
    with writing(folder), naming(folder):
        trial.open("xb").close()
        trial.unlink(missing_ok=True)  # who claims the folder meanwhile removes what a kill may have left


def require_writable_file(file: Path) -> None:
    """Refuse a file that cannot be written. One that is there stays as it is, one that is not is not made.

    Raises:
        ReorderKitError: if it is not a regular file, or cannot be written or made.
    """
    if _is_there(file) and not file.is_file():
        what = "a folder" if file.is_dir() else "not a regular file"
        raise ReorderKitError(f"{file}: cannot be written: it is {what}", _HINT)
    require_writable_folder(file.parent)
    if file.exists() and not os.access(file, os.W_OK):
        raise ReorderKitError(f"{file}: cannot be written: it is write-protected", _HINT)


def _is_there(place: Path) -> bool:
    """Links that lead nowhere are there, too."""
    with writing(place):
        return place.exists() or place.is_symlink()
