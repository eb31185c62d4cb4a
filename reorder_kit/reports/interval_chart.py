"""Charts of figures with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reorder_kit.reports.chart import POINTS_PER_INCH, Chart
from reorder_kit.reports.decimals import decimal
from reorder_kit.reports.line_chart import MEDIUM, SMALL, WIDTH, dress
from reorder_kit.reports.looks import Look
from reorder_kit.reports.palette import CARD, INK, LINE, MARGIN, MUTED

_ROW, _SIDE, _RIGHT, _TOP, _BOTTOM = 0.42, 0.12, 0.2, 0.08, 0.5  # inches
_LETTERS = 46  # characters of a label that fit above its interval


@dataclass(frozen=True)
class Dot:
    """A figure with its interval.

    Args:
        label: what the figure belongs to.
        mean: the figure.
        low: lower end of its interval; the figure itself without an interval.
        high: upper end.
        look: look of the run or row.
        tip: tooltip text.
        is_filled: whether the dot is filled.
    """

    label: str
    mean: float
    low: float
    high: float
    look: Look
    tip: str
    is_filled: bool = True


def interval_chart(
    name: str,
    title: str,
    dots: Sequence[Dot],
    *,
    axis: str,
    alt: str,
    margin: float | None = None,
    zero: bool = False,
    note: str = "",
) -> Chart:
    """Draw figures with their intervals, with labels above them so that long ones fit on a phone.

    Args:
        name: name of the chart.
        title: what the chart shows.
        dots: the figures from top to bottom.
        axis: the metric.
        alt: alternative text that describes the chart.
        margin: half the width of a shaded band around zero, in which differences count as none.
        zero: whether a line marks zero.
        note: an explanation of how to read it.
    """
    height = _TOP + _ROW * len(dots) + _BOTTOM
    figure = Figure(figsize=(WIDTH, height), dpi=POINTS_PER_INCH)
    figure.subplots_adjust(left=_SIDE / WIDTH, right=1 - _RIGHT / WIDTH, top=1 - _TOP / height, bottom=_BOTTOM / height)
    axes = figure.add_subplot()
    dress(axes, axis)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=LINE, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set_yticks([])
    axes.set_ylim(len(dots) - 0.5 + 0.12, -0.5)
    if margin is not None:
        axes.axvspan(-margin, margin, color=MARGIN, linewidth=0, zorder=0)
    if zero:
        axes.axvline(0, color=MUTED, linewidth=1, zorder=0.5)
    for row, dot in enumerate(dots):
        axes.plot([dot.low, dot.high], [row + 0.22] * 2, color=dot.look.color, linewidth=2.2, solid_capstyle="round")
        look: dict[str, Any] = {"facecolor": dot.look.color if dot.is_filled else CARD}
        look |= {"edgecolor": dot.look.color, "marker": dot.look.marker}
        axes.scatter([dot.mean], [row + 0.22], s=34, linewidth=1.6, zorder=3, gid=f"dot-{row}", clip_on=False, **look)
        label = dot.label if len(dot.label) <= _LETTERS else f"{dot.label[: _LETTERS - 1]}…"
        words: dict[str, Any] = {"fontsize": SMALL, "color": INK, "ha": "left", "va": "center_baseline"}
        axes.text(0.0, row - 0.18, label, transform=axes.get_yaxis_transform(), parse_math=False, **words)
        axes.text(
            1.0, row - 0.18, decimal(dot.mean), transform=axes.get_yaxis_transform(),
            **{**words, "ha": "right", "color": MUTED, "fontsize": MEDIUM},
        )  # fmt: skip
    tips = {f"dot-{row}": [dot.tip] for row, dot in enumerate(dots)}
    return Chart(name, title, alt, figure, tips, note=note)
