"""Saliency along the sequence, before learning and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reorder_kit.figures.write_figure import write_figure

_DOTS_PER_INCH = 160
_INK, _PALE_INK, _GRID, _SHADE = "#1b1b24", "#6b6c78", "#e4e5ea", "#d6d8e2"
# From the palette of Okabe and Ito (2008), which color-blind readers can tell apart.
_BEFORE, _AFTER = ("#0072B2", (0, (5, 1.5))), ("#D55E00", "-")


def draw_saliency(
    panels: Mapping[str, tuple[Sequence[float], Sequence[float]]], influence: Sequence[float], title: str, path: Path
) -> None:
    """Write a PNG with a panel for each way of measuring: the mean share of saliency in each slot of two orders.

    Triangles under a panel point to the mean slot of each order. The influence profile is in the background.

    Args:
        panels: by title: shares by slot of the starting order and the final order, for at least two slots.
        influence: the influence of each slot, as shares; empty if it was not measured.
        title: the title.
        path: the file to write.
    """
    figure = Figure(figsize=(6.6, 0.9 + 2.3 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, fontweight="bold", color=_INK, parse_math=False)
    rows = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (heading, (before, after)) in zip(rows, panels.items(), strict=True):
        _dress(axes, heading)
        axes.axhline(1 / len(before), color=_PALE_INK, linewidth=0.9, linestyle=(0, (1, 2)), label="even share")
        if influence:
            axes.stairs(influence, _edges(influence), fill=True, color=_SHADE, label="influence of the slot")
        for shares, (colour, line), name in ((before, _BEFORE, "starting order"), (after, _AFTER, "final order")):
            axes.stairs(shares, _edges(shares), color=colour, linestyle=line, linewidth=1.6, label=name)
            mean = sum(slot * share for slot, share in enumerate(shares))
            axes.plot(
                [mean], [0], color=colour, marker="^", markersize=7, clip_on=False, transform=axes.get_xaxis_transform()
            )
        axes.set_xlim(-0.5, len(before) - 0.5)
    rows[0].set_ylim(bottom=0)
    rows[-1].set_xlabel("slot", fontsize=9, color=_INK)
    rows[-1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    handles, labels = rows[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8.5, frameon=False, labelcolor=_INK)
    write_figure(figure, path, _DOTS_PER_INCH)


def _edges(shares: Sequence[float]) -> list[float]:
    return [slot - 0.5 for slot in range(len(shares) + 1)]


def _dress(axes: Axes, heading: str) -> None:
    axes.set_title(heading, fontsize=9.5, color=_INK, loc="left", parse_math=False)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_ylabel("share of saliency", fontsize=9, color=_INK)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=_PALE_INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_PALE_INK)
