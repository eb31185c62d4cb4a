"""Score against what it costs to encode an image: what reading less saves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import mean
from typing import Any

from reorder_kit.reports.chart import Chart, file_name
from reorder_kit.reports.looks import Look, Looks, looks_of, shifted
from reorder_kit.reports.page import Block, Words
from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.scatter_chart import Point, scatter_chart
from reorder_kit.reports.study_rows import label_of
from reorder_kit.runs.encoder_cost import OPERATIONS, EncoderCost
from reorder_kit.statistics.headline import Headline
from reorder_kit.studies.lengths import words_of
from reorder_kit.studies.results import Row


@dataclass(frozen=True)
class CostPoint:
    """A model and what it costs.

    Args:
        line: that it is a point of.
        cost: of its encoder.
        score: of the headline.
    """

    line: str
    cost: EncoderCost
    score: float


def cost_blocks(name: str, title: str, points: Sequence[CostPoint], headline: Headline, looks: Looks) -> list[Block]:
    """A curve against seconds and one against operations; nothing where all points read equally many slots.

    Args:
        name: of the charts.
        title: what is shown.
        points: of all lines.
        headline: what the score is.
        looks: of the lines.
    """
    if len({point.cost.slots for point in points}) < 2:
        return []
    milliseconds = _chart(f"{name}-seconds", title, "milliseconds of an image", points, headline, looks)
    operations = _chart(f"{name}-operations", title, "million operations of an image", points, headline, looks)
    return [milliseconds, operations, Words(f"Both are of the encoder alone. {OPERATIONS}")]


def _chart(name: str, title: str, axis: str, points: Sequence[CostPoint], headline: Headline, looks: Looks) -> Chart:
    def across(point: CostPoint) -> float:
        return 1e3 * point.cost.seconds if axis.startswith("milliseconds") else point.cost.operations / 1e6

    drawn = [
        Point(each.line, across(each), each.score, f"{each.line}, {each.cost.slots} slots: {each.score:.3f}")
        for each in points
    ]
    alt = f"{headline.name} against {axis}: " + "; ".join(f"{each.tip} at {each.x:.3g}" for each in drawn)
    chart = scatter_chart(name, title, drawn, x_axis=axis, y_axis=str(headline), alt=alt, looks=looks)
    (axes,) = chart.figure.axes
    by_line = groupby(sorted(drawn, key=lambda each: each.group), lambda each: each.group)
    for name_of_line, own in by_line:
        line = sorted((each.x, each.y) for each in own)
        axes.plot(*zip(*line, strict=True), color=looks[name_of_line].color, linewidth=1.2, zorder=1)
    return chart


def cost_blocks_of_run(record: RunRecord) -> list[Block]:
    """What ``reorder-kit evaluate --keep`` found about a run; nothing if it was not asked."""
    curve = record.folder.read_shares()
    if curve is None:
        return []
    points = [
        CostPoint(record.name, share.encoder, share.metrics.score(record.headline))
        for share in curve.shares
        if record.headline in share.metrics
    ]
    title = f"{curve.split} {record.headline} of the first share of the order, on {curve.device}"
    return cost_blocks("shares", title, points, record.metric, looks_of([record.name]))


def cost_blocks_of_study(runs: Mapping[Row, Sequence[RunRecord]], headline: Headline, looks: Looks) -> Iterator[Block]:
    """Curves by data: a line for each order, through rows of one training length whose recipes differ in keep alone.

    Args:
        runs: of each row.
        headline: of the study.
        looks: of its rows, by label.
    """
    by_data: dict[str, list[CostPoint]] = {}
    names: dict[tuple[float, str, str], str] = {}
    of_lines: dict[str, Look] = {}
    backbones = list(dict.fromkeys(row.backbone for row in runs))
    has_lengths = len({row.length for row in runs}) > 1
    for row, records in runs.items():
        costs = [record.result.encoder for record in records]
        known = [cost for cost in costs if cost is not None]
        if row.control is None and known:
            label = f"{label_of(row)}, {words_of(row.length)}" if has_lengths else label_of(row)
            own = names.setdefault((row.length, label, _but_for_keep(records[0].recipe)), row.backbone)
            cost = EncoderCost(
                slots=known[0].slots, seconds=mean(each.seconds for each in known), operations=known[0].operations
            )
            of_lines[f"{own}: {label}"] = shifted(looks[label_of(row)], backbones.index(own))
            points = by_data.setdefault(row.data, [])
            points.append(CostPoint(f"{own}: {label}", cost, row.score.mean))
    for data, points in by_data.items():
        yield from cost_blocks(file_name("reading-less", data), data, points, headline, of_lines)


def _but_for_keep(recipe: Mapping[str, Any]) -> str:
    """What rows of a line have in common. Name and seeds are those of whichever run of a row is the first."""
    order = {key: value for key, value in recipe.get("order", {}).items() if key != "keep"}
    if isinstance(start := order.get("start"), Mapping):
        order["start"] = {key: value for key, value in start.items() if key != "seed"}
    shared = {key: value for key, value in recipe.items() if key not in ("name", "seed")}
    return json.dumps({**shared, "order": order}, sort_keys=True)
