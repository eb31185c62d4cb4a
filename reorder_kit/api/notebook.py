"""What notebooks show: whether this is one, and the HTML of lines and tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from markupsafe import Markup


def in_notebook() -> bool:
    """Whether the program is a notebook: an IPython whose output goes through a kernel."""
    # Where there is a notebook, IPython has been imported by it.
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table; everything in it is escaped."""
    heading = Markup("").join(Markup("<th style='text-align: left'>{}</th>").format(cell) for cell in header)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td style='text-align: left'>{}</td>").format(cell) for cell in row)
        )
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(heading, body)


def paragraph(text: str | Markup) -> Markup:
    """A paragraph."""
    return Markup("<p>{}</p>").format(text)


def listing(lines: Iterable[str]) -> Markup:
    """Lines, one below the other; nothing if there are none."""
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup("<ul>{}</ul>").format(items) if items else Markup("")


def warned(warnings: Iterable[str]) -> Markup:
    """What was warned of; nothing if nothing was."""
    return listing(f"warning: {text}" for text in warnings)


def folder(path: object) -> Markup:
    """Where files are."""
    return Markup("<p>folder: <code>{}</code></p>").format(path)


def together(*parts: Markup) -> str:
    """One piece of HTML."""
    return str(Markup("<div>{}</div>").format(Markup("").join(parts)))
