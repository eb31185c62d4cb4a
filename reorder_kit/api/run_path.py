"""The folder behind an argument of any accepted type."""

from __future__ import annotations

import os
from pathlib import Path

from reorder_kit.errors import ReorderKitError, quoted
from reorder_kit.experiment.order_source import folder_of


def path_of(source: object, what: str = "run") -> Path:
    """Return the folder of a run or a study.

    Args:
        source: its path, a run folder, a loaded run, or a result that knows its folder.
        what: the expected kind, for the error message.

    Raises:
        ReorderKitError: if it is none of these. The folder itself is not checked.
    """
    path = Path(source) if isinstance(source, str | os.PathLike) else folder_of(source)
    if path is None:
        raise ReorderKitError(
            f"expected a {what}, got {quoted(source)}", f"give the folder of a {what}, as in runs/quickstart"
        )
    return path
