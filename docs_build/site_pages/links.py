"""Links as the repository has them, on the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from site_pages.places import in_repository, joined, on_site

_LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)#\s]+)")
_FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)


def rewritten(markdown: str, source: str) -> str:
    """The text of a page, with links that lead to the pages of the site.

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
        return link[1] + posixpath.relpath(on_site(joined(folder, link[2])), here or ".")

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
    return {joined(posixpath.dirname(path), link[2]) for link in _LINK.finditer(prose)}


def _with_and_without_code(markdown: str) -> Iterator[tuple[str, bool]]:
    """The parts of a text, and whether each is a block of code."""
    end = 0
    for fence in _FENCE.finditer(markdown):
        yield markdown[end : fence.start()], False
        yield fence[0], True
        end = fence.end()
    yield markdown[end:], False
