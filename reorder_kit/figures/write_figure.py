"""Figures in files that are written atomically."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from reorder_kit.whole_file import write_whole


def write_figure(figure: Figure, path: Path, dots_per_inch: int, padding: float | None = None) -> None:
    """Write a figure on white; if the process is killed, the file is complete or absent.

    Args:
        figure: the figure.
        path: the file. Its ending gives the format; PNG if it has none.
        dots_per_inch: the resolution.
        padding: inches around the content, to which the figure is cropped; None keeps its size.

    Raises:
        ValueError: if there is no such format.
        OSError: if it cannot be written.
    """
    content = io.BytesIO()
    figure.savefig(
        content,
        format=path.suffix.removeprefix(".") or "png",
        dpi=dots_per_inch,
        facecolor="white",
        bbox_inches=None if padding is None else "tight",
        pad_inches=padding,
    )
    write_whole(path, content.getvalue())
