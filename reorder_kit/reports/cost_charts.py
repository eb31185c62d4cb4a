"""Score against the cost of encoding an image: what reading less saves."""

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
    """A model and its cost.

    Args:
        line: the line that the point belongs to.
        cost: the cost of its encoder.
        score: its score in the headline metric.
    """

    line: str
    cost: EncoderCost
    score: float


def cost_blocks(name: str, title: str, points: Sequence[CostPoint], headline: Headline, looks: Looks) -> list[Block]:
    """A curve over seconds and one over operations; empty if all points read the same number of slots.

    Args:
        name: prefix of the charts' names.
        title: what the charts show.
        points: the points of all lines.
        headline: the headline metric.
        looks: the looks of the lines.
    """
    if len({point.cost.slots for point in points}) < 2:
        return []
    milliseconds = _chart(f"{name}-seconds", title, "milliseconds per image", points, headline, looks)
    operations = _chart(f"{name}-operations", title, "million operations per image", points, headline, looks)
    return [milliseconds, operations, Words(f"Both count the encoder only. {OPERATIONS}")]


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
    """The results of ``reorder-kit evaluate --keep`` for a run; empty if it was not used."""
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
    """Curves by data set: a line for each order, through rows of one training length whose recipes differ only in keep.

    Args:
        runs: the runs of each row.
        headline: the headline metric of the study.
        looks: the looks of its rows, by label.
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
    """What the rows of a line have in common; name and seeds, which depend on a row's first run, are removed."""
    order = {key: value for key, value in recipe.get("order", {}).items() if key != "keep"}
    if isinstance(start := order.get("start"), Mapping):
        order["start"] = {key: value for key, value in start.items() if key != "seed"}
    shared = {key: value for key, value in recipe.items() if key not in ("name", "seed")}
    return json.dumps({**shared, "order": order}, sort_keys=True)
