"""Lists of files with their checksums, as in results and checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator


def _are_inside(files: Mapping[str, str]) -> Mapping[str, str]:
    for name, digest in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise ValueError(f"should list files of the folder, not {name[:80]!r}")
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise ValueError(f"should have a SHA-256 for {name[:80]!r}")
    return files


FileDigests = Annotated[Mapping[str, str], AfterValidator(_are_inside)]
"""SHA-256 by name; names are paths relative to a folder, with ``/`` as the separator."""
