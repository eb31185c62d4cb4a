"""Paths longer than file systems allow, or than a message can show."""

from __future__ import annotations

import os
from pathlib import Path

_SHOWN = 200
_LONGEST_NAME_BYTES = 255
_LONGEST_PATH_BYTES = 4095


def is_too_long(path: Path) -> bool:
    """Whether a path, or a name in it, is longer than file systems allow."""
    names = [len(os.fsencode(part)) for part in path.parts]
    return max(names, default=0) > _LONGEST_NAME_BYTES or len(os.fsencode(path)) > _LONGEST_PATH_BYTES


def shortened(path: str | Path) -> str:
    """A path for messages; the middle of a very long one is omitted."""
    text = str(path)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-_SHOWN // 2 :]} ({len(text)} characters)"
