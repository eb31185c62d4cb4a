"""Colored messages, on a terminal or when the environment asks for them."""

from __future__ import annotations

import os
import re
from typing import TextIO

import typer

_LEAD = re.compile(
    r"\A(?P<error>(?:error|failed)(?: in process \d+)?:)|\A(?P<warning>warning:)|^  (?P<hint>hint:)", re.M
)


def has_colors(stream: TextIO) -> bool:
    """Whether messages are colored: on a terminal, unless ``NO_COLOR`` is set; elsewhere only with ``FORCE_COLOR``."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def colored(text: str) -> str:
    """Color the leading word of a message and of its hint; the text stays the same.

    >>> colored("wrote order.png")
    'wrote order.png'
    >>> colored("warning: odd").endswith("odd"), "warning:" in colored("warning: odd")
    (True, True)
    """
    return _LEAD.sub(_paint, text)


def _paint(match: re.Match[str]) -> str:
    if match["error"]:
        return typer.style(match["error"], fg="red", bold=True)
    if match["warning"]:
        return typer.style(match["warning"], fg="yellow", bold=True)
    return f"  {typer.style(match['hint'], fg='cyan')}"
