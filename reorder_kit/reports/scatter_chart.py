"""Scatter charts of one figure against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reorder_kit.reports.chart import POINTS_PER_INCH, Chart
from reorder_kit.reports.line_chart import MEDIUM, SMALL, WIDTH, dress
from reorder_kit.reports.looks import Look, Looks, plain_look
from reorder_kit.reports.palette import INK

_HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP, _KEY, _LETTER = 2.8, 0.7, 0.12, 0.52, 0.36, 0.3, 0.092  # inches


@dataclass(frozen=True)
class Point:
    """A point of a scatter chart.

    Args:
        group: the group of the point.
        x: horizontal value.
        y: vertical value.
        tip: tooltip text.
    """

    group: str
    x: float
    y: float
    tip: str


def scatter_chart(
    name: str,
    title: str,
    points: Sequence[Point],
    *,
    x_axis: str,
    y_axis: str,
    alt: str,
    note: str = "",
    looks: Looks | None = None,
) -> Chart:
    """Draw points with a shape for each group, in the color of the run or row if the group is one.

    Args:
        name: name of the chart.
        title: what the chart shows.
        points: at least one.
        x_axis: label of the horizontal axis.
        y_axis: label of the vertical axis.
        alt: alternative text that describes the chart.
        note: an explanation of how to read it.
        looks: the looks of groups that are runs or rows of the page.
    """
    figure = Figure(figsize=(WIDTH, _HEIGHT), dpi=POINTS_PER_INCH)
    figure.subplots_adjust(
        left=_LEFT / WIDTH, right=1 - _RIGHT / WIDTH, top=1 - _TOP / _HEIGHT, bottom=_BOTTOM / _HEIGHT
    )
    axes = figure.add_subplot()
    dress(axes, x_axis)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set_ylabel(y_axis, fontsize=MEDIUM, color=INK)
    axes.margins(0.08, 0.12)
    tips: dict[str, list[str]] = {}
    x = _LEFT
    ordered = sorted(points, key=lambda point: point.group)
    for number, (group, found) in enumerate(groupby(ordered, lambda point: point.group)):
        own = list(found)
        own_look: Look = (looks or {}).get(group) or plain_look(number)
        look: dict[str, Any] = {"color": own_look.color, "marker": own_look.marker}
        axes.scatter(
            [point.x for point in own], [point.y for point in own], s=26, alpha=0.8, linewidth=0, gid=f"group-{number}",
            **look,
        )  # fmt: skip
        tips[f"group-{number}"] = [point.tip for point in own]
        down = 1 - 0.18 / _HEIGHT
        figure.add_artist(_key(x / WIDTH, down, look))
        figure.text((x + 0.12) / WIDTH, down, group, fontsize=SMALL, color=INK, va="center_baseline", parse_math=False)
        x += _KEY + _LETTER * len(group)
    return Chart(name, title, alt, figure, tips, note=note)


def _key(x: float, y: float, look: dict[str, Any]) -> Line2D:
    return Line2D([x], [y], linestyle="none", markersize=5, **look)
