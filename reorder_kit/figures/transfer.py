"""The matrix of a transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

_DOTS_PER_INCH = 160
_INK, _PALE_INK = "#1b1b24", "#6b6c78"
_MIN_CELL_WIDTH, _CELL_HEIGHT, _LETTER, _HEADING, _FOOT = 1.3, 0.56, 0.085, 0.45, 0.75  # inches
_LEAST_SCALE = 0.01

MatrixCell = tuple[float, float | None, bool]
"""A score; what it gains over the starting order, None for that order itself; whether the gain is sure."""


def draw_transfer(
    panels: Mapping[str, Sequence[Sequence[MatrixCell]]], rows: Sequence[str], columns: Sequence[str], path: Path
) -> None:
    """Write a PNG with a heat map for each way of giving orders to targets, below each other.

    Colours are gains over the starting order, orange for worse and purple for better, with one scale for all; a gain
    that is sure is printed in bold.

    Args:
        panels: by title: the matrix, a list of cells for each row.
        rows: whose order.
        columns: the targets.
        path: the file to write.
    """
    gains = [abs(gain) for matrix in panels.values() for row in matrix for _, gain, _ in row if gain is not None]
    scale = max([_LEAST_SCALE, *gains])
    cell_width = max(_MIN_CELL_WIDTH, _LETTER * max(map(len, columns)) + 0.2)
    left = _LETTER * max(map(len, rows)) + 0.3
    width = left + cell_width * len(columns) + 0.2
    height = (_HEADING + _CELL_HEIGHT * len(rows)) * len(panels) + _FOOT
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    top = height
    for title, matrix in panels.items():
        top -= _HEADING + _CELL_HEIGHT * len(rows)
        box = (left / width, top / height, cell_width * len(columns) / width, _CELL_HEIGHT * len(rows) / height)
        axes = figure.add_axes(box)
        _draw(axes, matrix, Normalize(-scale, scale))
        axes.set_title(title, fontsize=10, fontweight="bold", color=_INK, loc="left", parse_math=False)
        axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.tick_params(labelbottom=True)
    said = "rows: whose order; columns: who is given it\nbold: the 95 % interval of the gain leaves out 0"
    figure.text(0.5, 0.1 / height, said, fontsize=7.5, color=_PALE_INK, ha="center", va="bottom")
    figure.savefig(path, dpi=_DOTS_PER_INCH, facecolor="white")


def _draw(axes: Axes, matrix: Sequence[Sequence[MatrixCell]], scale: Normalize) -> None:
    gains = np.array([[0.0 if gain is None else gain for _, gain, _ in row] for row in matrix])
    axes.imshow(gains, cmap=colormaps["PuOr"], norm=scale, aspect="auto")
    for row, cells in enumerate(matrix):
        for column, (score, gain, is_sure) in enumerate(cells):
            value = abs(scale(gains[row, column]) - 0.5)
            text = f"{score:.3f}" if gain is None else f"{score:.3f}\n{round(100 * gain, 1) + 0.0:+.1f} points"
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=8.5,
                fontweight="bold" if is_sure else "normal",
                color="white" if value > 0.32 else _INK,
            )
    axes.tick_params(length=0, labelsize=8.5, labelcolor=_INK, labelbottom=False)
    axes.set_xticks(np.arange(gains.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(gains.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
