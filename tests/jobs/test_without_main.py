"""A script that trains a study is not rerun in the processes that train its runs."""

from __future__ import annotations

import subprocess
import sys
from multiprocessing.spawn import get_preparation_data
from pathlib import Path
from types import ModuleType

import pytest

from reorder_kit.jobs.local_processes import without_main

SCRIPT = """
import reorder_kit

print("begun", flush=True)
finished = reorder_kit.study({
    "format_version": 1,
    "name": "tiny",
    "seeds": 1,
    "recipe": {"train": {"epochs": 1, "device": "cpu"}},
    "data": {"digits": {"batch_size": 600}},
    "backbones": {"local": {"patch_size": 4, "depth": 1, "window": 2, "dim": 8}},
    "starts": ["row"],
})
print("failed", len(finished.failures))
"""


def test_a_process_is_told_of_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = ModuleType("__main__")
    script.__file__ = str(tmp_path / "script.py")
    monkeypatch.setitem(sys.modules, "__main__", script)
    assert get_preparation_data("worker")["init_main_from_path"] == script.__file__
    with without_main():
        assert not {"init_main_from_path", "init_main_from_name"} & set(get_preparation_data("worker"))
    assert sys.modules["__main__"] is script


@pytest.mark.slow
def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.splitlines() == ["begun", "failed 0"], done.stderr
