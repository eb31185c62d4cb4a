"""Patterns in the navigation: ``results/*.md`` stands for all pages of the folder that nothing else names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any


def expanded(navigation: Sequence[Any], pages: Sequence[str]) -> list[Any]:
    """A navigation as in ``mkdocs.yml``, with pages instead of patterns.

    >>> expanded([{"Results": ["results/index.md", "results/*.md"]}], ["results/a.md", "results/index.md"])
    [{'Results': ['results/index.md', 'results/a.md']}]

    Args:
        navigation: pages, or titles with pages.
        pages: all pages of the site, in the order in which a pattern lists them.
    """
    named = set(_named(navigation))

    def filled(entries: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for entry in entries:
            if isinstance(entry, str) and "*" in entry:
                found += [page for page in pages if fnmatchcase(page, entry) and page not in named]
            elif isinstance(entry, dict):
                found.append(
                    {title: filled(below) if isinstance(below, list) else below for title, below in entry.items()}
                )
            else:
                found.append(entry)
        return found

    return filled(navigation)


def _named(entries: Sequence[Any]) -> Iterator[str]:
    for entry in entries:
        for below in entry.values() if isinstance(entry, dict) else [entry]:
            yield from _named(below) if isinstance(below, list) else [below]
