"""Texts of the code as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CODE = re.compile(r"(``.+?``|`[^`\n]+`|(?<![\w-])--[a-z][\w-]*)")
_ROLE = re.compile(r":\w+:`(?:~[\w.]*\.)?([^`]+)`")
_SPECIAL = re.compile(r"([\\*_\[\]])")
_DOCTEST = re.compile(r"^>>> .*\n?(?:^.*\S.*\n?)*", re.MULTILINE)


def plain(text: str) -> str:
    """Text in which only code has a meaning, such as a description, a line of help or a docstring.

    Options of commands are code, too: a hyphen would break them at the end of a line.
    """
    parts = _CODE.split(without_roles(text))
    return "".join(_as_code(part) if number % 2 else _escaped(part) for number, part in enumerate(parts))


def without_roles(text: str) -> str:
    """Text in which references, as Sphinx has them, are plain code.

    >>> without_roles("one of :data:`~reorder_kit.interfaces.SPLITS`")
    'one of `SPLITS`'
    """
    return _ROLE.sub(r"`\1`", text)


def python_docstring(text: str) -> str:
    """A docstring that is Markdown but for what Sphinx and doctest read: references, examples, and double colons."""

    def example(lines: re.Match[str]) -> str:
        return block(re.sub(r" *# doctest:.*", "", lines[0]), "pycon")

    return _DOCTEST.sub(example, re.sub(r"::$", ":", without_roles(text), flags=re.MULTILINE))


def _as_code(part: str) -> str:
    return f"`{part}`" if part.startswith("--") else part


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text).replace("<", "&lt;").replace("|", "&#124;")


def code(text: str) -> str:
    """Text in code, anywhere, also in a table."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "&#124;")
    return f"<code>{escaped}</code>"


def block(text: str, language: str = "text") -> str:
    """A block of code."""
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`+", text)), 0)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in line)} |\n" for line in lines)


def docstring(text: str) -> str:
    """A docstring: its paragraphs, and blocks of code after a double colon."""
    prose = re.split(r"(::\n\n(?:(?: {4}.*)?\n?)+)", text.strip() + "\n")
    return "".join(
        f":\n\n{_dedented(part)}\n" if part.startswith("::\n") else _paragraphs(part) for part in prose
    ).strip()


def _paragraphs(text: str) -> str:
    """Escaped, with list items and indented lines as they are."""
    return "\n".join(
        plain(line.strip()) if not line.lstrip().startswith("* ") else f"* {plain(line.strip()[2:])}"
        for line in text.split("\n")
    )


def _dedented(literal: str) -> str:
    lines = literal.removeprefix("::").strip("\n").split("\n")
    return block("\n".join(line[4:] for line in lines), "python")
