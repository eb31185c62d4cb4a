"""Which picture files can be written."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase

from reorder_kit.errors import ReorderKitError
from reorder_kit.writable import require_writable_file


def require_picture_file(file: Path) -> None:
    """Refuse a file that no picture can be written to, before the picture is drawn.

    Raises:
        ReorderKitError: if its ending is not that of a picture format, or it cannot be written.
    """
    known = FigureCanvasBase.get_supported_filetypes()
    if file.suffix.lower().removeprefix(".") not in known:
        ends = f"ends with {file.suffix}" if file.suffix else "has no ending"
        raise ReorderKitError(
            f"{file}: no picture can be written there: its name {ends}",
            f"end it with one of: {', '.join(f'.{kind}' for kind in sorted(known))}",
        )
    require_writable_file(file)
