"""Paths in recipes: what a relative path is relative to, so that a run can be opened from any folder."""

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
        ValueError: if it has a zero byte, there is no such user, it is longer than file systems allow, or file names
            in this environment cannot hold its letters.
    """
    if _ZERO_BYTE in str(path):
        raise ValueError("a path cannot contain a zero byte")
    try:
        found = path.expanduser()
    except RuntimeError as error:  # for an unknown user; pydantic would not report it as a mistake
        raise ValueError(f"{path} has no home folder to start from: {error}") from error
    try:
        if is_too_long(found):
            raise ValueError(f"{shortened(found)} is longer than file systems allow")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"file names are {error.encoding} in this environment, unlike {found}; {ENCODING_HINT}"
        ) from None
    # A path written where file names are ASCII has its letters as bytes.
    return Path(os.fsdecode(os.fsencode(found)))


def on_this_machine(path: Path) -> Path:
    """The path as found from any working directory.

    >>> on_this_machine(Path("/data/photos")).as_posix()
    '/data/photos'

    Raises:
        ValueError: as for :func:`in_home`.
    """
    return in_home(path).absolute()


HomePath = Annotated[Path, AfterValidator(on_this_machine)]
"""A path on this machine: ``~`` is the home folder, and a relative path starts in the working directory.

It becomes absolute when a recipe is read, and is recorded that way, so a run can be reopened from any folder.
"""

PathFromRoot = Annotated[Path, AfterValidator(in_home)]
"""A path that, if relative, starts in a folder named by another option; ``~`` is the home folder."""
