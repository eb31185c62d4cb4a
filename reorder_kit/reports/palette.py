"""Colours of a report. Pictures are drawn in those of the light page; on the dark page their roles have others.

Series have the hues of Okabe and Ito (2008), which colour-blind readers can tell apart, darkened to a contrast of 3 to
1 with white; a dash pattern for each besides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

INK, MUTED, LINE = "#1b1b24", "#5c5d6c", "#dfe0e7"
CARD = "#fefefe"  # not quite white, which letters on dark fills keep in both themes
SERIES = ("#0072b2", "#d05a00", "#00805d", "#b04f8f", "#6a6cd6", "#8a6d00", "#a3262a", "#2b8a96")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (3, 3)),
    (0, (8, 2)),
    (0, (1, 1, 4, 1)),
    (0, (4, 1, 1, 1, 1, 1)),
)
BANDS = {"warm-up": "#eeeff4", "search": "#fdf1d6", "hardened": "#e2f1e9"}
MARGIN = "#e8eaf2"

# The names of custom properties in style.css, by the colour that stands for them in a picture.
ROLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    CARD: "--card",
    MARGIN: "--margin",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)},
    **{colour: f"--band-{phase}" for phase, colour in BANDS.items()},
}


def spectrum(count: int) -> list[str]:
    """A colour for each slot from the first to the last: plasma without its palest end, as in ``order.png``."""
    return [to_hex(colour) for colour in colormaps["plasma"](np.linspace(0.0, 0.86, count))]


def text_on(colour: str) -> str:
    """What can be read on a colour, in both themes: nearly black or white."""
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return "#101016" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"
