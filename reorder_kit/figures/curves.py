"""Training curves of a run and its controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, groupby
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reorder_kit.figures.write_figure import write_figure


@dataclass(frozen=True)
class CurvePoint:
    """An epoch of a run; a NaN figure leaves a gap.

    Args:
        epoch: number of the epoch.
        phase: the phase of the order in it.
        loss: the training loss.
        score: the headline metric on validation images.
        tau: Kendall's tau of the order to the starting order.
    """

    epoch: int
    phase: str
    loss: float
    score: float
    tau: float


_Points = Sequence[CurvePoint]
_ValueOf = Callable[[CurvePoint], float]
_Panel = tuple[str, _ValueOf]
_Phase = tuple[str, float, float]
_End = tuple[float, str, str]

_DOTS_PER_INCH = 160
_PANEL_WIDTH, _PANEL_HEIGHT, _LEFT, _TOP, _BOTTOM, _LETTER = 4.8, 1.9, 0.6, 0.55, 0.5, 0.083  # inches
_LABEL_ROW = 0.1  # as a share of a panel's height
_INK, _PALE_INK, _GRID = "#1b1b24", "#6b6c78", "#e4e5ea"
_SHADES = {"warm-up": "#f0f0f4", "search": "#fdf3dd", "hardened": "#e6f2ec"}
# The palette of Okabe and Ito (2008), which color-blind readers can tell apart, with a dash pattern for each.
_LOOKS = (
    ("#0072B2", "-"),
    ("#D55E00", (0, (5, 1.5))),
    ("#009E73", (0, (1.5, 1))),
    ("#CC79A7", (0, (6, 1.5, 1.5, 1.5))),
    ("#56B4E9", (0, (3, 3))),
)


def draw_curves(runs: Mapping[str, _Points], headline: str, path: Path) -> None:
    """Write a PNG with panels for training loss, headline metric and, if an order moved, how far it moved.

    Args:
        runs: the epochs of each run by its name; the phases of the first are shaded.
        headline: the validation metric to draw.
        path: the file to write.
    """
    panels: list[_Panel] = [
        ("training loss", lambda point: point.loss),
        (f"validation {headline}", lambda point: point.score),
    ]
    if any(point.tau < 1 for points in runs.values() for point in points):
        panels.append(("Kendall tau of the order to the starting order", lambda point: point.tau))
    phases = _phases(next(iter(runs.values()), []))

    figure, all_axes = _layout(len(panels), max((len(name) for name in runs), default=0))
    for axes, (title, value_of) in zip(all_axes, panels, strict=True):
        is_first = axes is all_axes[0]
        _dress(axes, title, title_pad=20 if is_first and phases else 5)
        for phase, start, end in phases:
            axes.axvspan(start, end, color=_SHADES.get(phase, "white"), linewidth=0, zorder=0)
        ends = [
            _draw_run(axes, points, value_of, look, name)
            for (name, points), look in zip(runs.items(), cycle(_LOOKS), strict=False)
        ]
        _label_ends(axes, [end for end in ends if end])
    epochs = [point.epoch for points in runs.values() for point in points]
    all_axes[-1].set_xlim(min(epochs, default=1) - 0.5, max(epochs, default=1) + 0.5)
    if phases:
        _name_phases(all_axes[0], phases)
    all_axes[-1].set_xlabel("epoch", fontsize=9, color=_INK)
    all_axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    write_figure(figure, path, _DOTS_PER_INCH)


def _layout(num_panels: int, longest_name: int) -> tuple[Figure, list[Axes]]:
    """A column of panels, with room for the names on the right."""
    width = _LEFT + _PANEL_WIDTH + _LETTER * (longest_name + len("  0.000")) + _LEFT / 2
    height = _TOP + _PANEL_HEIGHT * num_panels + _BOTTOM
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        left=_LEFT / width,
        right=(_LEFT + _PANEL_WIDTH) / width,
        top=1 - _TOP / height,
        bottom=_BOTTOM / height,
        hspace=0.28,
    )
    return figure, list(figure.subplots(num_panels, 1, sharex=True))


def _phases(points: _Points) -> list[_Phase]:
    """The phases of a run with their first and last epochs; empty for a run with a single phase."""
    groups = [(phase, [point.epoch for point in own]) for phase, own in groupby(points, lambda point: point.phase)]
    phases = [(phase, epochs[0] - 0.5, epochs[-1] + 0.5) for phase, epochs in groups]
    return phases if len(phases) > 1 else []


def _dress(axes: Axes, title: str, title_pad: int) -> None:
    axes.set_title(title, fontsize=10, fontweight="bold", color=_INK, loc="left", pad=title_pad, parse_math=False)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=_PALE_INK)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_PALE_INK)


def _name_phases(axes: Axes, phases: list[_Phase]) -> None:
    """Write names above the bands; a name that would overlap the previous one is moved to its right."""
    first, last = axes.get_xlim()
    free = 0.0
    for phase, start, _ in phases:
        share = max(free, (start - first) / (last - first))
        look: dict[str, Any] = {"fontsize": 8.5, "fontstyle": "italic", "color": _PALE_INK}
        axes.text(share, 1.02, phase, transform=axes.transAxes, ha="left", va="bottom", **look)
        free = share + _LETTER * (len(phase) + 1) / _PANEL_WIDTH


def _draw_run(axes: Axes, points: _Points, value_of: _ValueOf, look: tuple[str, Any], name: str) -> _End | None:
    """Draw a curve, and return its end."""
    colour, dashes = look
    epochs = [point.epoch for point in points]
    values = [value_of(point) for point in points]
    # A single point has no line.
    marker = "o" if len(values) == 1 else None
    axes.plot(epochs, values, color=colour, linestyle=dashes, linewidth=1.8, marker=marker, markersize=5)
    known = [value for value in values if math.isfinite(value)]
    return (known[-1], f"{name}  {known[-1]:.3f}", colour) if known else None


def _label_ends(axes: Axes, ends: list[_End]) -> None:
    """Write the name of each curve next to its end, from the bottom up, moved apart to avoid overlaps."""
    low, high = axes.get_ylim()
    lowest_free = 0.0
    for count, (value, label, colour) in enumerate(sorted(ends), start=1):
        room_above = _LABEL_ROW * (len(ends) - count)
        height = max(lowest_free, min((value - low) / (high - low), 1 - room_above))
        look: dict[str, Any] = {"fontsize": 8.5, "color": colour, "fontweight": "bold", "parse_math": False}
        axes.text(1.015, height, label, transform=axes.transAxes, ha="left", va="center", **look)
        lowest_free = height + _LABEL_ROW
