"""docs/notebook.ipynb runs from start to end, and its stored outputs are of the same kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
MOST_BYTES = 1_000_000


def kinds(cell: Any) -> set[str]:
    """What a cell showed: kinds of data, or names of streams; without what libraries print about this environment."""
    shown = {kind for each in cell.get("outputs", []) for kind in each.get("data", [each.get("name", "error")])}
    return shown - {"stderr"}


def test_it_is_stored_whole_small_and_without_traces_of_a_machine() -> None:
    text = NOTEBOOK.read_text()
    assert len(text) < MOST_BYTES
    code = [cell for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert [cell.source for cell in code if not cell.outputs] == []
    assert [place for place in ("site-packages", "/home/", "/root/", "/tmp/") if place in text] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of the client's own dependencies
def test_it_runs_and_shows_what_is_stored(tmp_path: Path) -> None:
    stored = nbformat.read(NOTEBOOK, 4)
    fresh = nbformat.read(NOTEBOOK, 4)
    NotebookClient(fresh, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert list(map(kinds, fresh.cells)) == list(map(kinds, stored.cells))
    assert fresh.cells[-1].outputs[0].data["text/plain"] == "True"
    assert (tmp_path / "runs" / "local_informed" / "report" / "report.html").exists()
