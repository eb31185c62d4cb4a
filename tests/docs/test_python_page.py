"""The blocks of docs/python.md run unchanged, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import reorder_kit

TEXT = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"__name__": "page"}
    for block in BLOCKS:
        exec(compile(block, "docs/python.md", "exec"), known)
    said = capsys.readouterr().out
    folder, score, control = said.splitlines()[:3]
    assert folder == "runs/local_informed"
    assert float(score.split()[0]) > float(control)  # the page shows a gain
    assert set(known["found"].scores) == {"own order", "row", "order 2"}
    assert known["order"] == known["result"].order == known["model"].policy.best_order()
    assert known["planned"].runs == 24  # learners and controls of the recipe included
    assert (tmp_path / "runs" / "local_informed" / "report" / "report.html").exists()


def test_every_function_of_the_table_is_public() -> None:
    table = re.findall(r"^\| `(.+?)\(.*\|$", TEXT, re.MULTILINE)
    assert len(table) >= 7
    assert {name.removeprefix("reorder_kit.") for name in table} <= set(reorder_kit.__all__)
