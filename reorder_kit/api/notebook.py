"""Notebook output: detects a notebook, and makes the HTML of lines and tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from markupsafe import Markup


def in_notebook() -> bool:
    """Whether the program runs in a notebook: an IPython shell whose output goes through a kernel."""
    # In a notebook, IPython has already been imported.
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """An HTML table; its cells are escaped."""
    heading = Markup("").join(Markup("<th style='text-align: left'>{}</th>").format(cell) for cell in header)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td style='text-align: left'>{}</td>").format(cell) for cell in row)
        )
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(heading, body)


def paragraph(text: str | Markup) -> Markup:
    """An HTML paragraph."""
    return Markup("<p>{}</p>").format(text)


def listing(lines: Iterable[str]) -> Markup:
    """An HTML list of lines; empty if there are none."""
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup("<ul>{}</ul>").format(items) if items else Markup("")


def warned(warnings: Iterable[str]) -> Markup:
    """A list of warnings; empty if there are none."""
    return listing(f"warning: {text}" for text in warnings)


def folder(path: object) -> Markup:
    """A line that names the folder."""
    return Markup("<p>folder: <code>{}</code></p>").format(path)


def together(*parts: Markup) -> str:
    """Join parts into one HTML element."""
    return str(Markup("<div>{}</div>").format(Markup("").join(parts)))
