"""docs/python.md: its blocks show what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reorder_kit
from page_blocks import PageRun
from pages import Page

PAGE = Page("docs/python.md")


def test_the_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    known = PageRun(PAGE).run().variables
    said = capsys.readouterr().out
    folder, score, control = said.splitlines()[:3]
    assert folder == "runs/local_informed"
    assert float(score.split()[0]) > float(control)  # the page shows a gain
    assert set(known["found"].scores) == {"own order", "row", "order 2"}
    assert known["order"] == known["result"].order == known["model"].policy.best_order()
    assert known["planned"].runs == 24  # learners and controls of the recipe included
    assert (tmp_path / "runs" / "local_informed" / "report" / "report.html").exists()


def test_every_function_of_the_table_is_public() -> None:
    table = re.findall(r"^\| `(.+?)\(.*\|$", PAGE.text, re.MULTILINE)
    assert len(table) >= 7
    assert {name.removeprefix("reorder_kit.") for name in table} <= set(reorder_kit.__all__)
