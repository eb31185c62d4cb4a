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
    cut = {} if padding is None else {"bbox_inches": "tight", "pad_inches": padding}
    form = path.suffix.removeprefix(".") or "png"
    figure.savefig(content, format=form, dpi=dots_per_inch, facecolor="white", **cut)
    write_whole(path, content.getvalue())
