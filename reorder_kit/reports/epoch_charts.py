"""Charts over epochs: learning curves, and the search for the order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from reorder_kit.reports.chart import Chart, file_name
from reorder_kit.reports.line_chart import Band, Line, line_chart
from reorder_kit.reports.looks import Look, Looks
from reorder_kit.reports.record import RunRecord
from reorder_kit.runs.epoch_record import EpochRecord
from reorder_kit.runs.figures import is_number

Groups = Mapping[str, Sequence[RunRecord]]
_ValueOf = Callable[[EpochRecord], float | None]
"""Extracts a figure from an epoch; None leaves a gap."""

_GAP = "The validation {headline} of the soft permutation minus that of the hard order, which is what counts."
_SPREAD = "Each image has its own order. This is their mean Kendall distance to the consensus; 0: all are equal."
_TAU = "1 is the same order, 0 an unrelated one, -1 the reversed one."


def learning_charts(name: str, groups: Groups, headline: str, looks: Looks, bands: Sequence[Band] = ()) -> list[Chart]:
    """Charts of the training loss and the validation metric.

    Args:
        name: prefix of the charts' names.
        groups: runs by name; the mean of several runs is drawn.
        headline: the headline metric.
        looks: the looks of the groups.
        bands: phases to shade.
    """
    measures: dict[str, tuple[str, _ValueOf]] = {
        "loss": ("Training loss", lambda record: record.train.loss),
        "validation": (f"Validation {headline}", lambda record: record.validation.score(headline)),
    }
    charts = [_chart(f"{name}-{key}", title, groups, value, looks, bands) for key, (title, value) in measures.items()]
    return [chart for chart in charts if chart]


def search_charts(name: str, groups: Groups, headline: str, looks: Looks, bands: Sequence[Band] = ()) -> list[Chart]:
    """Charts of how far the order moved, how soft it was, and the learners' own metrics; arguments as above."""
    keys = sorted({key for runs in groups.values() for run in runs for record in run.epochs for key in record.policy})
    charts = [
        _chart(f"{name}-gap", "Soft-to-hard gap", groups, lambda record: record.soft_to_hard_gap, looks, bands,
               note=_GAP.format(headline=headline), zero=True),
        _chart(f"{name}-tau", "Kendall tau of the order to its start", groups,
               lambda record: record.order.kendall_tau_to_start, looks, bands, note=_TAU),
        _chart(f"{name}-tau-last", "Kendall tau to the previous epoch", groups,
               lambda record: record.order.kendall_tau_to_last_epoch, looks, bands, note=_TAU),
        _chart(f"{name}-spread", "How much the images' orders differ", groups,
               lambda record: record.order.spread, looks, bands, note=_SPREAD),
        *(
            _chart(file_name(name, key), key.replace("_", " ").capitalize(), groups, _policy(key), looks, bands)
            for key in keys
        ),
    ]  # fmt: skip
    return [chart for chart in charts if chart]


def mean_line(name: str, runs: Sequence[RunRecord], value_of: _ValueOf, look: Look | None = None) -> Line:
    """The mean over runs at each epoch that all of them have."""
    by_epoch = [{record.epoch: _or_gap(value_of(record)) for record in run.epochs} for run in runs]
    epochs = sorted(set.intersection(*map(set, by_epoch))) if by_epoch else []
    means = [math.fsum(values[epoch] for values in by_epoch) / len(runs) for epoch in epochs]
    return Line(name, epochs, means, look)


def _chart(
    name: str,
    title: str,
    groups: Groups,
    value_of: _ValueOf,
    looks: Looks,
    bands: Sequence[Band],
    note: str = "",
    zero: bool = False,
) -> Chart | None:
    """A chart of the groups whose values are not all zero; None if there are none."""
    lines = [mean_line(group, runs, value_of, looks.get(group)) for group, runs in groups.items()]
    moving = [line for line in lines if line.has_values and any(value != 0 for value in line.values)]
    if not moving:
        return None
    return line_chart(name, title, moving, axis="epoch", alt=_words(title, moving), bands=bands, note=note, zero=zero)


def _words(title: str, lines: Sequence[Line]) -> str:
    ends = []
    for line in lines:
        finite = [value for value in line.values if math.isfinite(value)]
        ends.append(f"{line.name} from {finite[0]:.3g} to {finite[-1]:.3g}")
    return f"{title} by epoch: {'; '.join(ends)}"


def _policy(key: str) -> _ValueOf:
    def value_of(record: EpochRecord) -> float | None:
        value = record.policy.get(key)
        return float(value) if is_number(value) else None

    return value_of


def _or_gap(value: float | None) -> float:
    return math.nan if value is None else value
