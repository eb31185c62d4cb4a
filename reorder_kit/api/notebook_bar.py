"""A progress bar in the output of a notebook cell, with lines above it."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from markupsafe import Markup

MOST_LINES = 30
"""The most lines above the bar: a search of many trials has one for each."""


class NotebookBar:
    """A bar that appears when it is created and is redrawn when it changes, but not too often.

    It needs no widgets: it replaces the output of the cell, and the notebook stores its last state.

    Args:
        clock: returns the time in seconds.
        seconds_between: the least time between two updates of the bar; lines are shown at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, seconds_between: float = 0.25) -> None:
        self._clock, self._seconds_between, self._shown = clock, seconds_between, clock()
        self._lines: list[str] = []
        self._left_out = 0
        self._text, self._share = "", 0.0
        # Only notebooks use this bar, and they come with IPython.
        self._display: Any = import_module("IPython.display")
        self._handle = self._display.display(self._html(), display_id=True)

    def add(self, line: str) -> None:
        """Add a line above the bar."""
        self._lines.append(line)
        if len(self._lines) > MOST_LINES:
            del self._lines[0]
            self._left_out += 1
        self._show()

    def move(self, share: float, text: str) -> None:
        """Move the bar.

        Args:
            share: finished share, from 0 to 1.
            text: text next to the bar.
        """
        self._share, self._text = share, text
        if self._clock() - self._shown >= self._seconds_between:
            self._show()

    def close(self) -> None:
        """Remove the bar; the lines stay."""
        self._text = ""
        self._show()

    def _show(self) -> None:
        self._shown = self._clock()
        self._handle.update(self._html())

    def _html(self) -> Any:
        before = [f"... and {self._left_out} earlier lines"] if self._left_out else []
        lines = Markup("<br>").join(Markup("{}").format(line) for line in [*before, *self._lines])
        bar = Markup("<div><progress max='1' value='{:.3f}'></progress> {}</div>").format(self._share, self._text)
        return self._display.HTML(str(Markup("<div>{}</div>{}").format(lines, bar if self._text else "")))
