"""Check that something can be written before anything is computed for it."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.machine_failures import naming
from reorder_kit.whole_file import UNFINISHED

_HINT = "choose another place"


def require_writable_folder(folder: Path) -> None:
    """Refuse a folder that files cannot be written into. A missing folder is not created.

    Raises:
        ReorderKitError: if it is something else, or cannot be written or created.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if _is_there(place))
    if not there.is_dir():
        raise ReorderKitError(f"{folder}: cannot be written: {there} is not a folder", _HINT)
    trial = there / f".{uuid4().hex}{UNFINISHED}"
    with writing(folder), naming(folder):
        trial.open("xb").close()
        trial.unlink(missing_ok=True)  # whoever claims the folder removes what a kill may have left


def require_writable_file(file: Path) -> None:
    """Refuse a file that cannot be written. An existing file is left unchanged, and a missing file is not created.

    Raises:
        ReorderKitError: if it is not a regular file, or cannot be written or created.
    """
    if _is_there(file) and not file.is_file():
        what = "a folder" if file.is_dir() else "not a regular file"
        raise ReorderKitError(f"{file}: cannot be written: it is {what}", _HINT)
    require_writable_folder(file.parent)
    if file.exists() and not os.access(file, os.W_OK):
        raise ReorderKitError(f"{file}: cannot be written: it is write-protected", _HINT)


def _is_there(place: Path) -> bool:
    """Whether a path exists, including as a broken link."""
    with writing(place):
        return place.exists() or place.is_symlink()
