"""Maps with a figure for each patch at its place in the grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from reorder_kit.orders.grid import Grid
from reorder_kit.reports.chart import POINTS_PER_INCH, Chart
from reorder_kit.reports.decimals import decimal
from reorder_kit.reports.line_chart import MEDIUM, WIDTH
from reorder_kit.reports.palette import INK, text_on

_GAP, _SIDE, _TOP, _BOTTOM, _FRAME_GAP = 0.22, 0.05, 0.3, 0.06, 0.5  # inches; the last one in cells
_NONE = "#e4e5ea"
_READABLE = 13.0  # points: numbers are written into cells of at least this size


@dataclass(frozen=True)
class Panel:
    """One map of the grid.

    Args:
        heading: what the map shows.
        values: a figure for each row-major patch; NaN for none.
        low: the figure at the start of the color map.
        high: the figure at its end.
        colors: name of a matplotlib color map.
        digits: decimal places of the numbers in the cells.
        sign: whether the numbers always have a sign.
    """

    heading: str
    values: Sequence[float]
    low: float
    high: float
    colors: str
    digits: int = 0
    sign: bool = False

    def color(self, value: float) -> str:
        """The color of a figure; gray for NaN."""
        if math.isnan(value):
            return _NONE
        share = 0.5 if self.high == self.low else (value - self.low) / (self.high - self.low)
        return str(to_hex(colormaps[self.colors](share)))

    def text(self, value: float) -> str:
        """A figure as text; a dash for NaN."""
        if math.isnan(value):
            return "-"
        return decimal(value, self.digits, self.sign and round(value, self.digits) != 0)


def heat_chart(
    name: str, title: str, grid: Grid, panels: Sequence[Panel], *, tips: Sequence[str], alt: str, note: str = ""
) -> Chart:
    """Draw maps of one grid side by side; the frames of a video are side by side within each map.

    Args:
        name: name of the chart.
        title: what the chart shows.
        grid: the grid of patches.
        panels: the maps from left to right.
        tips: tooltip text of each row-major patch, in every panel.
        alt: alternative text that describes the chart.
        note: an explanation of how to read it.
    """
    columns = grid.frames * (grid.width + _FRAME_GAP) - _FRAME_GAP
    side = (WIDTH - 2 * _SIDE - _GAP * (len(panels) - 1)) / len(panels)
    cell = side / max(columns, grid.height)
    height = _TOP + cell * grid.height + _BOTTOM
    figure = Figure(figsize=(WIDTH, height), dpi=POINTS_PER_INCH)
    for number, panel in enumerate(panels):
        left = _SIDE + number * (side + _GAP)
        box = (left / WIDTH, _BOTTOM / height, cell * columns / WIDTH, cell * grid.height / height)
        axes = figure.add_axes(box)
        axes.set(xlim=(0, columns), ylim=(grid.height, 0))
        axes.axis("off")
        figure.text(
            left / WIDTH, 1 - 0.15 / height, panel.heading, va="center", fontsize=MEDIUM, color=INK, parse_math=False
        )
        corners = [_corner(grid, patch) for patch in range(grid.num_patches)]
        fills = [panel.color(value) for value in panel.values]
        squares = [Rectangle((x + 0.03, y + 0.03), 0.94, 0.94) for x, y in corners]
        axes.add_collection(PatchCollection(squares, facecolors=fills, linewidth=0, gid=f"panel-{number}"))
        if cell * POINTS_PER_INCH >= _READABLE:
            _write(axes, panel, corners, fills, size=min(9.5, 0.36 * cell * POINTS_PER_INCH))
    return Chart(name, title, alt, figure, {f"panel-{number}": tips for number in range(len(panels))}, note=note)


def shift_panels(starts: Sequence[Sequence[int]], finals: Sequence[Sequence[int]]) -> list[Panel]:
    """Maps of each patch's slot at the start, at the end, and the difference: means over runs.

    A patch without a slot has no figure; if it lacks a slot in some runs, the mean is over the others.

    Args:
        starts: for each run, the slot of each row-major patch in its starting order; -1 for none.
        finals: the same for the final orders.
    """
    before, after = _mean_slots(starts), _mean_slots(finals)
    shift = after - before
    largest = np.abs(shift[~np.isnan(shift)]).max(initial=1.0)
    last, reach = len(before) - 1, float(largest)
    digits = 0 if len(starts) == 1 else 1
    return [
        Panel("slot at the start", before.tolist(), 0, last, "viridis", digits),
        Panel("slot at the end", after.tolist(), 0, last, "viridis", digits),
        Panel("moved by", shift.tolist(), -reach, reach, "PuOr", digits, sign=True),
    ]


def slot_words(slot: float, digits: int = 0) -> str:
    """The slot of a patch in words.

    >>> slot_words(3.0), slot_words(float("nan"))
    ('slot 3', 'no slot')
    """
    return "no slot" if math.isnan(slot) else f"slot {slot:.{digits}f}"


def _mean_slots(ranks: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.ma.masked_less(np.array(ranks, dtype=np.float64), 0).mean(axis=0).filled(np.nan)
    return means


def _corner(grid: Grid, patch: int) -> tuple[float, float]:
    frame, row, column = grid.cell(patch)
    return frame * (grid.width + _FRAME_GAP) + column, row


def _write(axes: Any, panel: Panel, corners: Sequence[tuple[float, float]], fills: Sequence[str], size: float) -> None:
    for (x, y), value, fill in zip(corners, panel.values, fills, strict=True):
        look = {"fontsize": size, "color": text_on(fill), "ha": "center", "va": "center_baseline"}
        axes.text(x + 0.5, y + 0.5, panel.text(value), **look)
