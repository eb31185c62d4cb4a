"""Results where the best order is known: accuracy against restored neighbors, and how much a learner recovered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reorder_kit.figures.write_figure import write_figure

_DOTS_PER_INCH = 160
_INK, _PALE_INK, _GRID = "#1b1b24", "#6b6c78", "#e4e5ea"
# The palette of Okabe and Ito (2008), which color-blind readers can tell apart, with a marker for each.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", (0, (4, 2)), (0, (1.5, 1)))
_PANEL_HEIGHT, _ROW_HEIGHT = 0.75, 0.24  # inches


def draw_restored(
    results: Mapping[str, Sequence[tuple[float, float]]],
    curves: Mapping[str, Sequence[float]],
    title: str,
    path: Path,
) -> None:
    """Write a PNG of accuracy against the share of hidden neighbors that an order restores.

    Args:
        results: by the source of the orders: for each run, the share of restored neighbors and the accuracy.
        curves: the expected accuracy, by name, at equal steps from no restored neighbor to all.
        title: the title.
        path: the file to write.
    """
    figure = Figure(figsize=(6.4, 4.0))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_position((0.1, 0.13, 0.58, 0.77))
    for (name, accuracies), line in zip(curves.items(), cycle(_LINES), strict=False):
        shares = [number / (len(accuracies) - 1) for number in range(len(accuracies))]
        axes.plot(shares, accuracies, color=_PALE_INK, linestyle=line, linewidth=1.3, label=name, zorder=1)
    for place, (name, points) in enumerate(results.items()):
        look: dict[str, Any] = {"color": _COLOURS[place % len(_COLOURS)], "marker": _MARKERS[place % len(_MARKERS)]}
        axes.plot(*zip(*points, strict=True), linestyle="", markersize=6, alpha=0.75, label=name, zorder=2, **look)
    _dress(axes, title)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("share of hidden neighbors that are restored", fontsize=9, color=_INK)
    axes.set_ylabel("accuracy", fontsize=9, color=_INK)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=8, frameon=False, labelcolor=_INK)
    # Wide enough for the longest name.
    write_figure(figure, path, _DOTS_PER_INCH, padding=0.1)


def draw_recovered(shares: Mapping[str, Mapping[str, tuple[float, float, float]]], path: Path) -> None:
    """Write a PNG with a panel for each case: the share of the gap that each learner recovered, with its interval.

    Args:
        shares: by case and learner: the share, and the lower and upper ends of its interval. 0 is the scrambled order,
            1 the known answer.
        path: the file to write.
    """
    heights = [_PANEL_HEIGHT + _ROW_HEIGHT * len(learners) for learners in shares.values()]
    figure = Figure(figsize=(6.4, sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(shares), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (case, learners) in zip(panels, shares.items(), strict=True):
        names = list(learners)[::-1]  # the first on top
        for place, name in enumerate(names):
            share, low, high = learners[name]
            axes.plot([low, high], [place, place], color=_COLOURS[0], linewidth=1.6)
            axes.plot([share], [place], color=_COLOURS[0], marker="o", markersize=5.5)
        _dress(axes, case)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.6, len(names) - 0.4)
        for known in (0, 1):
            axes.axvline(known, color=_PALE_INK, linewidth=0.9, linestyle=(0, (3, 2)), zorder=0)
    panels[-1].set_xlabel("share of the accuracy between scrambled (0) and undone (1)", fontsize=9, color=_INK)
    write_figure(figure, path, _DOTS_PER_INCH)


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10, fontweight="bold", color=_INK, loc="left", parse_math=False)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=_PALE_INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_PALE_INK)
