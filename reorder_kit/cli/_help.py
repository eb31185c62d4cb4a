"""Help that fits the terminal and never breaks an option's name, in sentences or examples."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperGroup

from reorder_kit.cli._output import terminal_columns

_HYPHEN, _WHOLE = "-", "\N{NON-BREAKING HYPHEN}"
_EXAMPLE = re.compile(r"    .*\breorder[-_]kit ")
_INDENT = " " * 6
_CONTINUED = " \\"


class _Unbroken:
    """A help formatter that breaks lines at spaces only.

    Args:
        formatter: the formatter that writes the help.
    """

    def __init__(self, formatter: Any) -> None:
        self._formatter = formatter

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        self._formatter.write_text(text.replace(_HYPHEN, _WHOLE))

    def write_dl(self, rows: Any, *spacing: Any, **named: Any) -> None:
        """Write a definition list."""
        whole = [tuple(text.replace(_HYPHEN, _WHOLE) for text in row) for row in rows]
        self._formatter.write_dl(whole, *spacing, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._formatter, name)


class FittingHelp:
    """A mixin for commands and groups whose help fits the terminal."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help with non-breaking hyphens."""
        super().format_help(ctx, _Unbroken(formatter))  # type: ignore[misc]

    def get_help(self, ctx: Any) -> str:
        """Return the help as it is printed."""
        columns = terminal_columns()
        lines = super().get_help(ctx).replace(_WHOLE, _HYPHEN).splitlines()  # type: ignore[misc]
        return "\n".join(fitting for line in lines for fitting in _fitting(line, columns))


class Group(FittingHelp, TyperGroup):
    """A group of commands."""


def _fitting(line: str, columns: int) -> list[str]:
    """Continue an example that is too long on the next line, in shell syntax; leave other lines unchanged."""
    if len(line) <= columns or not _EXAMPLE.match(line):
        return [line]
    first, *others = re.split(r" (?=--)", line)
    found = [first]
    for words in others:
        if len(found[-1]) + 1 + len(words) + len(_CONTINUED) <= columns:
            found[-1] = f"{found[-1]} {words}"
        else:
            found.append(f"{_INDENT}{words}")
    return [*(f"{text}{_CONTINUED}" for text in found[:-1]), found[-1]]
