"""Links as the repository has them, on the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cache

from site_pages.places import ROOT, in_repository, joined, on_site

_LINK = re.compile(r"(?P<before>\[(?P<text>[^\[\]]*)\]\()(?![a-z]+:|#|/)(?P<target>[^)#\s]+)")
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def rewritten(markdown: str, source: str) -> str:
    """The text of a page, with links that lead to the pages of the site, and name pages rather than files.

    Args:
        markdown: of a page that shows a file of the repository, with relative links as they work there. The text of
            any other page is returned as it is.
        source: of the page on the site.
    """
    path = in_repository(source)
    if path is None:
        return markdown
    folder, here = posixpath.dirname(path), posixpath.dirname(source)

    def on_this_page(link: re.Match[str]) -> str:
        target = joined(folder, link["target"])
        before = f"[{title}](" if link["text"].endswith(".md") and (title := _title(target)) else link["before"]
        return before + posixpath.relpath(on_site(target), here or ".")

    return "".join(
        text if is_code else _LINK.sub(on_this_page, text) for text, is_code in _with_and_without_code(markdown)
    )


def linked_files(markdown: str, path: str) -> set[str]:
    """The files of the repository that a file links to, below the root.

    Args:
        markdown: its text.
        path: of the file, below the root.
    """
    prose = "".join(text for text, is_code in _with_and_without_code(markdown) if not is_code)
    return {joined(posixpath.dirname(path), link["target"]) for link in _LINK.finditer(prose)}


@cache
def _title(path: str) -> str:
    """The heading of a page, which readers know it by; empty if it has none."""
    file = ROOT / path
    heading = re.search(r"^# (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE) if file.is_file() else None
    return heading[1] if heading else ""


def _with_and_without_code(markdown: str) -> Iterator[tuple[str, bool]]:
    """The parts of a text, and whether each is a block of code."""
    end = 0
    for fence in _FENCE.finditer(markdown):
        yield markdown[end : fence.start()], False
        yield fence[0], True
        end = fence.end()
    yield markdown[end:], False
