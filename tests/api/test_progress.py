"""Progress in a Python program: in a notebook, in a terminal, or none."""

from __future__ import annotations

import io
import re
import sys
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest

from made_results import epoch_record, run_result
from reorder_kit.api import progress
from reorder_kit.api.notebook import in_notebook
from reorder_kit.api.notebook_bar import MOST_LINES, NotebookBar
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces.run_events import StepReport
from reorder_kit.jobs.work import PICTURES
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.studies.cells import Cell, RowKey
from reorder_kit.studies.run_study import CellReport

RUN = SimpleNamespace(
    name="<mine>",
    device="cpu",
    parameters=1234,
    grid="2x2",
    epochs=2,
    steps_per_epoch=4,
    first_epoch=1,
    headline="top1",
    slots_read=SlotsRead(4, 4, 0),
    images=None,
)


class Output:
    """The output of a cell: everything that it has shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def HTML(self, text: str) -> str:
        return text

    def display(self, html: str, display_id: bool) -> Any:
        self.shown.append(html)
        return SimpleNamespace(update=self.shown.append)

    def text(self) -> str:
        return unescape(re.sub(r"<[^>]*>", " ", self.shown[-1]))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Output:
    """A notebook, as far as progress is concerned."""
    cell = Output()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", cell)  # type: ignore[arg-type]
    return cell


def test_a_notebook_is_told_from_a_terminal(notebook: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: object()))  # type: ignore[arg-type]
    assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


@pytest.mark.parametrize(
    ("is_terminal", "asked", "shown"), [(True, None, True), (False, None, False), (False, True, True)]
)
def test_progress_is_shown_where_a_person_looks_on(
    is_terminal: bool, asked: bool | None, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert progress.is_shown(asked) == shown
    assert not progress.is_shown(False)


def follow(host: PluginHost) -> None:
    host.announce("run_started", run=RUN)
    host.announce("step_finished", run=RUN, report=StepReport(3, 0.5, None, 40.0))
    host.announce("epoch_finished", run=RUN, epoch=1, record=epoch_record(loss=0.25, top1=0.875))
    host.announce("run_finished", run=RUN, result=run_result(0.75), epochs={})


def test_a_run_moves_a_bar_in_its_cell_and_leaves_what_came_out(notebook: Output) -> None:
    host = PluginHost(third_party=False, blocked=PICTURES)
    with progress.progress_of_runs(host, None):
        follow(host)
    assert "&lt;mine&gt;: test top1 0.750" in notebook.shown[-1]
    assert "<progress" not in notebook.shown[-1]
    assert "1,234 parameters" in notebook.text()


def test_a_bar_shows_how_far_it_is_but_not_too_often(notebook: Output) -> None:
    now = [0.0]
    bar = NotebookBar(clock=lambda: now[0])
    bar.move(0.1, "too soon")
    assert len(notebook.shown) == 1
    now[0] = 1.0
    bar.move(0.5, "<half>")
    assert "value='0.500'" in notebook.shown[-1]
    assert "&lt;half&gt;" in notebook.shown[-1]
    for number in range(MOST_LINES + 2):
        bar.add(f"line {number};")
    assert "... and 2 earlier lines" in notebook.text()
    assert "line 1;" not in notebook.text()
    assert f"line {MOST_LINES + 1};" in notebook.text()


def test_a_run_says_how_far_it_is_on_standard_error_if_it_is_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    host = PluginHost(third_party=False, blocked=PICTURES)
    with progress.progress_of_runs(host, True):
        follow(host)
    said = capsys.readouterr()
    assert "<mine>: test top1 0.750" in said.err
    assert said.out == ""
    with progress.progress_of_runs(host, False):
        follow(host)
    assert capsys.readouterr().err == ""


def reports() -> list[CellReport]:
    row = RowKey("digits", "vit", "row")
    return [CellReport(Cell(row, 1), None), CellReport(Cell(row, 2), "no <such> thing")]


def test_a_study_moves_a_bar_in_its_cell_and_names_what_failed(notebook: Output) -> None:
    with progress.progress_of_cells(None)(4, 1) as tell:
        tell(reports()[0])
        assert "2/4 runs, digits/vit/row/seed-1" in notebook.text()
        tell(reports()[1])
        assert "value='0.750'" in notebook.shown[-1]
    assert notebook.text().split() == ["digits/vit/row/seed-2", "failed:", "no", "<such>", "thing"]


def test_a_study_tells_its_runs_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    for asked in (True, False):
        with progress.progress_of_cells(asked)(2, 0) as tell:
            for report in reports():
                tell(report)
        assert ("digits/vit/row/seed-2 failed: no <such> thing" in capsys.readouterr().err) == asked
