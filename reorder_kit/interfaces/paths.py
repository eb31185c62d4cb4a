"""Paths in recipes: what a relative one starts from, and how they stay right when a run is opened from elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from reorder_kit.errors import ENCODING_HINT
from reorder_kit.interfaces.path_lengths import is_too_long, shortened

_ZERO_BYTE = "\0"


def in_home(path: Path) -> Path:
    """The path with ``~`` replaced by the home folder.

    Raises:
        ValueError: if it has a zero byte, there is no such user, file systems allow no path of this length, or file
            names of this environment cannot hold its letters.
    """
    if _ZERO_BYTE in str(path):
        raise ValueError("a path has no zero byte")
    try:
        found = path.expanduser()
    except RuntimeError as error:  # of a user that does not exist, which pydantic would not report as a mistake
        raise ValueError(f"{path} has no home folder to start from: {error}") from error
    try:
        if is_too_long(found):
            raise ValueError(f"{shortened(found)} is longer than file systems allow")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"file names are {error.encoding} in this environment, unlike {found}; {ENCODING_HINT}"
        ) from None
    # A path that was written down where file names are ASCII has its letters as bytes.
    return Path(os.fsdecode(os.fsencode(found)))


def on_this_machine(path: Path) -> Path:
    """The path as it is found from every working directory.

    >>> on_this_machine(Path("/data/photos")).as_posix()
    '/data/photos'

    Raises:
        ValueError: as :func:`in_home`.
    """
    return in_home(path).absolute()


HomePath = Annotated[Path, AfterValidator(on_this_machine)]
"""A path on this machine: ``~`` is the home folder, and a relative one starts in the working directory.

It is absolute once a recipe is read, and so it is written down: a run is opened again from any working directory.
"""

PathFromRoot = Annotated[Path, AfterValidator(in_home)]
"""A path that starts in a folder that another option names, if it is relative; ``~`` is the home folder."""
