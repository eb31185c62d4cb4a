"""The notebook as a page, with the outputs that are stored in it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import nbformat

from site_pages.markdown import block
from site_pages.places import ROOT

_DOWNLOAD = "[Download the notebook](notebook.ipynb) to run it.\n"


def notebook_page() -> dict[str, str | bytes]:
    """The page and its pictures, by source."""
    cells = nbformat.read(ROOT / "docs" / "notebook.ipynb", 4).cells
    pictures: dict[str, bytes] = {}
    parts = [text for cell in cells for text in _cell(cell, pictures)]
    parts.insert(1, _DOWNLOAD)
    return {"notebook.md": "\n".join(parts), **pictures}


def _cell(cell: Any, pictures: dict[str, bytes]) -> Iterator[str]:
    if cell.cell_type == "markdown":
        yield f"{cell.source}\n"
        return
    yield block(cell.source, "python")
    for output in cell.outputs:
        data = output.get("data", {})
        if "text/html" in data:
            lines = filter(str.strip, data["text/html"].splitlines())  # an empty line would end the HTML in Markdown
            yield '<div class="output">\n' + "\n".join(lines) + "\n</div>\n"
        elif "image/png" in data:
            name = f"images/notebook-{cell.execution_count}.png"
            pictures[name] = base64.b64decode(data["image/png"])
            yield f"![Output of the cell]({name})\n"
        elif "text/plain" in data:
            yield block(data["text/plain"])
