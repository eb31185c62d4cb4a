"""Figures in files that are written whole."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from reorder_kit.whole_file import write_whole


def write_figure(figure: Figure, path: Path, dots_per_inch: int, padding: float | None = None) -> None:
    """Write a figure on white; a kill at any moment leaves a whole file or none.

    Args:
        figure: what is drawn.
        path: the file. Its ending says in which format; PNG if it has none.
        dots_per_inch: of pixels.
        padding: inches around what is drawn, to which the figure is cut; None leaves it as large as it is.

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
