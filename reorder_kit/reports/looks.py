"""The look of a run: one color, dash pattern and marker in every chart, legend and table of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reorder_kit.reports.palette import DASHES, INK, MUTED, SERIES

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "p")


@dataclass(frozen=True)
class Look:
    """How a run or row is drawn.

    Args:
        color: a color of the palette.
        dashes: dash pattern of its lines, as matplotlib takes it.
        marker: marker of its points.
        series: number of the color on the page, from 1; 0 for a look that does not stand for a run.
    """

    color: str
    dashes: Any
    marker: str
    series: int = 0


def look_of(number: int) -> Look:
    """The look of a run by its number on the page. Colors that repeat have different dashes and markers.

    Args:
        number: number of the run, from 0.
    """
    place = number % len(SERIES)
    other = number + number // len(SERIES)
    return Look(SERIES[place], DASHES[other % len(DASHES)], MARKERS[other % len(MARKERS)], place + 1)


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """A look for each name, in the given sequence."""
    return {name: look_of(number) for number, name in enumerate(dict.fromkeys(names))}


def shifted(look: Look, shift: int) -> Look:
    """The same color with different dashes and marker, for the same row in another case."""
    return Look(
        look.color,
        DASHES[(DASHES.index(look.dashes) + shift) % len(DASHES)],
        MARKERS[(MARKERS.index(look.marker) + shift) % len(MARKERS)],
        look.series,
    )


def plain_look(number: int) -> Look:
    """The look of a group of points that is not a run: a marker in the text color."""
    return Look(INK, DASHES[number % len(DASHES)], MARKERS[number % len(MARKERS)])


NO_RUN = Look(MUTED, DASHES[1], MARKERS[0])
"""For what does not belong to a single run or row, such as the start that a run is compared with."""

Looks = Mapping[str, Look]
