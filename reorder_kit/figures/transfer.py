"""The matrix of a transfer study."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from reorder_kit.figures.write_figure import write_figure
from reorder_kit.statistics.headline import signed

_DOTS_PER_INCH = 160
_INK, _PALE_INK = "#1b1b24", "#6b6c78"
_MIN_CELL_WIDTH, _CELL_HEIGHT, _LETTER, _HEADING, _FOOT = 1.3, 0.56, 0.085, 0.45, 0.75  # inches
_LEAST_SCALE = 0.01

MatrixCell = tuple[float, float | None, bool]
"""A score; its gain over the starting order, None for that order itself; whether the gain is significant."""


def draw_transfer(
    panels: Mapping[str, Sequence[Sequence[MatrixCell]]],
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    without_points: Collection[int] = (),
) -> None:
    """Write a PNG with a column of heat maps, one for each way of giving orders to targets.

    Colors are gains over the starting order, orange for worse and purple for better. Targets whose gains are points
    share one scale, others have their own; significant gains are in bold.

    Args:
        panels: by title: the matrix, a list of cells for each row.
        rows: the sources of the orders.
        columns: the targets.
        path: the file to write.
        without_points: columns of targets whose scores are not shares.
    """
    scales = _scales(panels.values(), len(columns), without_points)
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
        _draw(axes, matrix, scales, without_points)
        axes.set_title(title, fontsize=10, fontweight="bold", color=_INK, loc="left", parse_math=False)
        axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.tick_params(labelbottom=True)
    said = "rows: source of the order; columns: target\nbold: the 95% interval of the gain excludes 0"
    figure.text(0.5, 0.1 / height, said, fontsize=7.5, color=_PALE_INK, ha="center", va="bottom")
    write_figure(figure, path, _DOTS_PER_INCH)


def _scales(
    matrices: Iterable[Sequence[Sequence[MatrixCell]]], columns: int, without_points: Collection[int]
) -> list[float]:
    """For each target, the gain at the end of its color scale."""
    largest = [0.0] * columns
    for matrix in matrices:
        for row in matrix:
            for column, (_, gain, _) in enumerate(row):
                largest[column] = max(largest[column], abs(gain or 0.0))
    shared = max([_LEAST_SCALE, *(gain for column, gain in enumerate(largest) if column not in without_points)])
    return [(gain or 1.0) if column in without_points else shared for column, gain in enumerate(largest)]


def _draw(
    axes: Axes, matrix: Sequence[Sequence[MatrixCell]], scales: Sequence[float], without_points: Collection[int]
) -> None:
    gains = np.array([[(gain or 0.0) for _, gain, _ in row] for row in matrix]) / np.array(scales)
    axes.imshow(gains, cmap=colormaps["PuOr"], norm=Normalize(-1, 1), aspect="auto")
    for row, cells in enumerate(matrix):
        for column, (score, gain, is_sure) in enumerate(cells):
            value = abs(gains[row, column]) / 2
            told = "" if gain is None else f"\n{signed(gain, column not in without_points)}"
            text = f"{score:.3f}{told}"
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
