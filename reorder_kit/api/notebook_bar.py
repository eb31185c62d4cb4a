"""A bar that moves in the output of a notebook's cell, with lines above it."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from markupsafe import Markup

MOST_LINES = 30
"""Above the bar: a search of many trials has a line for each."""


class NotebookBar:
    """Shows itself when it is made, and again whenever it changes, but not too often.

    It needs no widgets: the output of the cell is replaced, and is stored with the notebook as it was last.

    Args:
        clock: seconds.
        seconds_between: at least this time between two changes of the bar; lines are shown at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, seconds_between: float = 0.25) -> None:
        self._clock, self._seconds_between, self._shown = clock, seconds_between, clock()
        self._lines: list[str] = []
        self._left_out = 0
        self._text, self._share = "", 0.0
        # Only a notebook asks for a bar, and where there is one, there is IPython.
        self._display: Any = import_module("IPython.display")
        self._handle = self._display.display(self._html(), display_id=True)

    def add(self, line: str) -> None:
        """Show another line above the bar."""
        self._lines.append(line)
        if len(self._lines) > MOST_LINES:
            del self._lines[0]
            self._left_out += 1
        self._show()

    def move(self, share: float, text: str) -> None:
        """Move the bar.

        Args:
            share: from 0 to 1.
            text: beside it.
        """
        self._share, self._text = share, text
        if self._clock() - self._shown >= self._seconds_between:
            self._show()

    def close(self) -> None:
        """Take the bar away; lines stay."""
        self._text = ""
        self._show()

    def _show(self) -> None:
        self._shown = self._clock()
        self._handle.update(self._html())

    def _html(self) -> Any:
        before = [f"... and {self._left_out} lines before"] if self._left_out else []
        lines = Markup("<br>").join(Markup("{}").format(line) for line in [*before, *self._lines])
        bar = Markup("<div><progress max='1' value='{:.3f}'></progress> {}</div>").format(self._share, self._text)
        return self._display.HTML(str(Markup("<div>{}</div>{}").format(lines, bar if self._text else "")))
