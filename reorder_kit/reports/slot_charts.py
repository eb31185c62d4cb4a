"""How much the slots of a sequence matter: influence and saliency by slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reorder_kit.analysis.saliency_record import SaliencyRecord
from reorder_kit.reports.chart import Chart
from reorder_kit.reports.line_chart import Line, line_chart
from reorder_kit.reports.looks import NO_RUN, Look, Looks

_INFLUENCE = "The share of each slot in the gradient of the loss over validation images."


def influence_chart(
    name: str, title: str, profiles: Mapping[str, Sequence[Sequence[float]]], note: str, looks: Looks
) -> Chart:
    """A chart of how much the loss depends on each slot.

    Args:
        name: name of the chart.
        title: what the chart shows.
        profiles: the profiles of each group's runs, of equal length within a group; the mean is drawn.
        note: a further explanation.
        looks: the looks of the groups.
    """
    lines = [
        Line(group, list(range(len(runs[0]))), np.mean(runs, axis=0).tolist(), looks.get(group))
        for group, runs in profiles.items()
    ]
    alt = "; ".join(_words(line) for line in lines)
    note = f"{_INFLUENCE} {note}".strip()
    return line_chart(name, title, lines, axis="slot", alt=f"Influence by slot. {alt}", note=note)


def saliency_chart(name: str, saliency: SaliencyRecord, look: Look) -> Chart:
    """A chart of where salient patches stand in the sequence, before and after learning.

    Args:
        name: name of the chart.
        saliency: the results of the analysis.
        look: the look of the run.
    """
    shares = {"in the starting order": saliency.by_slot.start, "in the final order": saliency.by_slot.final}
    lines = [
        Line(when, list(range(len(share))), share, own)
        for (when, share), own in zip(shares.items(), (NO_RUN, look), strict=True)
    ]
    return line_chart(
        name,
        f"Saliency by slot ({saliency.method})",
        lines,
        axis="slot",
        alt="Share of the saliency by slot. " + "; ".join(_words(line) for line in lines),
        note="The mean share of an image's saliency in each slot.",
    )


def _words(line: Line) -> str:
    most = int(np.argmax(line.values))
    return f"{line.name}: most, {line.values[most]:.0%}, in slot {most}"
