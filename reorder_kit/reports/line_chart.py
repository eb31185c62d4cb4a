"""Line charts over epochs or slots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reorder_kit.reports.chart import POINTS_PER_INCH, Chart, Hover, HoverLine
from reorder_kit.reports.looks import Look, look_of
from reorder_kit.reports.palette import BANDS, INK, LINE, MUTED
from reorder_kit.runs.epoch_record import EpochRecord

WIDTH = 4.7  # inches; phones show it smaller, desktops larger
_PLOT_HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 2.0, 0.56, 0.12, 0.5, 0.12  # inches
_LEGEND_ROW, _BAND_ROW, _LETTER, _KEY = 0.22, 0.19, 0.092, 0.5  # inches
SMALL, MEDIUM = 10.5, 11.0  # points


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Args:
        name: name of the line.
        places: values on the horizontal axis, ascending.
        values: finite numbers, or NaN for a gap.
        look: look of the run that it belongs to; by its place in the chart if not given.
    """

    name: str
    places: Sequence[float]
    values: Sequence[float]
    look: Look | None = None

    @property
    def has_values(self) -> bool:
        """Whether it has anything to draw."""
        return any(math.isfinite(value) for value in self.values)


@dataclass(frozen=True)
class Band:
    """A phase of a run.

    Args:
        name: name of the phase.
        first: its first epoch.
        last: its last epoch.
    """

    name: str
    first: float
    last: float


def line_chart(
    name: str,
    title: str,
    lines: Sequence[Line],
    *,
    axis: str,
    alt: str,
    bands: Sequence[Band] = (),
    zero: bool = False,
    note: str = "",
) -> Chart:
    """Draw lines, with a legend if there are several and the values under the pointer.

    Args:
        name: name of the chart.
        title: what the chart shows.
        lines: lines with something to draw.
        axis: what the horizontal axis counts.
        alt: alternative text that describes the chart.
        bands: shaded parts of the horizontal axis.
        zero: whether a line marks zero.
        note: an explanation of how to read it.
    """
    rows = _legend_rows([line.name for line in lines]) if len(lines) > 1 else []
    top = _TOP + _LEGEND_ROW * len(rows) + (_BAND_ROW if bands else 0)
    height = top + _PLOT_HEIGHT + _BOTTOM
    figure = Figure(figsize=(WIDTH, height), dpi=POINTS_PER_INCH)
    sides = {"left": _LEFT / WIDTH, "right": 1 - _RIGHT / WIDTH, "bottom": _BOTTOM / height, "top": 1 - top / height}
    figure.subplots_adjust(**sides)
    axes = figure.add_subplot()
    dress(axes, axis)
    looks = [line.look or look_of(place) for place, line in enumerate(lines)]
    for place, line in enumerate(lines):
        look = looks[place]
        marker = "o" if sum(map(math.isfinite, line.values)) == 1 else None
        axes.plot(line.places, line.values, color=look.color, linestyle=look.dashes, linewidth=1.6, marker=marker, ms=4)
    places = sorted({place for line in lines for place in line.places})
    axes.set_xlim(places[0] - 0.5, places[-1] + 0.5)
    if zero:
        axes.axhline(0, color=MUTED, linewidth=0.8, zorder=0)
    _draw_bands(axes, bands)
    _draw_legend(figure, rows, [line.name for line in lines], looks)
    return Chart(name, title, alt, figure, hover=_hover(figure, axes, axis, places, lines), note=note)


def dress(axes: Axes, axis: str) -> None:
    """Give axes the look of all charts."""
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.set_xlabel(axis, fontsize=MEDIUM, color=INK, labelpad=3)


def bands_of(epochs: Sequence[EpochRecord]) -> list[Band]:
    """The phases of a run; empty if it had only one phase."""
    groups = [(phase, [each.epoch for each in own]) for phase, own in groupby(epochs, lambda each: each.phase)]
    return [Band(phase, own[0], own[-1]) for phase, own in groups] if len(groups) > 1 else []


def _legend_rows(names: Sequence[str]) -> list[list[int]]:
    """Distribute legend entries over rows, as many per row as fit."""
    rows: list[list[int]] = [[]]
    room = WIDTH
    for place, name in enumerate(names):
        needed = _KEY + _LETTER * len(name)
        if rows[-1] and needed > room:
            rows.append([])
            room = WIDTH
        rows[-1].append(place)
        room -= needed
    return rows


def _draw_legend(figure: Figure, rows: Sequence[Sequence[int]], names: Sequence[str], looks: Sequence[Look]) -> None:
    width, height = figure.get_size_inches()
    for number, row in enumerate(rows):
        x, y = 0.1, height - _LEGEND_ROW * (number + 0.5)
        for place in row:
            ends = [x / width, (x + 0.28) / width]
            figure.add_artist(
                Line2D(ends, [y / height] * 2, color=looks[place].color, linestyle=looks[place].dashes, lw=1.8)
            )
            look: dict[str, Any] = {"fontsize": SMALL, "color": INK, "va": "center_baseline", "parse_math": False}
            figure.text((x + 0.35) / width, y / height, names[place], **look)
            x += _KEY + _LETTER * len(names[place])


def _draw_bands(axes: Axes, bands: Sequence[Band]) -> None:
    first, last = axes.get_xlim()
    free = 0.0
    for band in bands:
        axes.axvspan(band.first - 0.5, band.last + 0.5, color=BANDS.get(band.name, "none"), linewidth=0, zorder=0)
        share = max(free, (band.first - 0.5 - first) / (last - first))
        look: dict[str, Any] = {"fontsize": SMALL, "fontstyle": "italic", "color": MUTED}
        axes.text(share, 1.02, band.name, transform=axes.transAxes, ha="left", va="bottom", parse_math=False, **look)
        free = share + _LETTER * (len(band.name) + 1) / (WIDTH - _LEFT - _RIGHT)


def _hover(figure: Figure, axes: Axes, axis: str, places: Sequence[float], lines: Sequence[Line]) -> Hover:
    height = figure.get_size_inches()[1] * POINTS_PER_INCH
    positions = [float(axes.transData.transform((place, 0))[0]) for place in places]
    box = axes.get_window_extent()
    found = []
    for line in lines:
        values = dict(zip(line.places, line.values, strict=True))
        finite = [value if math.isfinite(value := values.get(place, math.nan)) else None for place in places]
        found.append(HoverLine(line.name, [None if value is None else float(f"{value:.4g}") for value in finite]))
    return Hover(
        axis,
        places,
        [round(place, 2) for place in positions],
        round(height - box.y1, 2),
        round(height - box.y0, 2),
        found,
    )
