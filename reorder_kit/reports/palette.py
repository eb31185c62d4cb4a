"""Colors of a report. Pictures are drawn in the colors of the light page; the dark page replaces them by role.

Series have the hues of Okabe and Ito (2008), which color-blind readers can tell apart, darkened to a contrast of 3 to 1
with white. Each series also has its own dash pattern.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

INK, MUTED, LINE = "#1b1b24", "#5c5d6c", "#dfe0e7"
CARD = "#fefefe"  # not quite white: white text on dark fills stays the same in both themes
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

# Names of custom properties in style.css, by the color that represents them in a picture.
ROLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    CARD: "--card",
    MARGIN: "--margin",
    **{color: f"--series-{number}" for number, color in enumerate(SERIES, start=1)},
    **{color: f"--band-{phase}" for phase, color in BANDS.items()},
}


def spectrum(count: int) -> list[str]:
    """A color for each slot, from first to last: plasma without its palest end, as in ``order.png``."""
    return [to_hex(color) for color in colormaps["plasma"](np.linspace(0.0, 0.86, count))]


def text_on(color: str) -> str:
    """The text color that is readable on a color in both themes: nearly black or white."""
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return "#101016" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"
