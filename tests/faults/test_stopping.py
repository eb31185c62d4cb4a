"""SIGTERM or Ctrl-C ends a command that trains many runs and all its processes, and keeps finished runs."""

import json
import os
import signal
import sys
import time

import psutil
import pytest
import yaml

from reorder_kit.studies.results import StudyResult

PATIENCE = 30
"""Seconds in which all processes have to be gone: five by contract, but a machine that runs tests may be busy."""

STUDY = {
    "format_version": 1,
    "name": "tiny",
    "seeds": 1,
    "recipe": {"train": {"epochs": 4, "device": "cpu"}},
    "data": {"digits": {"batch_size": 200, "workers": 1}},
    "backbones": {"local": {"patch_size": 2, "dim": 8, "depth": 1, "dropout": 0.1}},
    "starts": ["row", "random"],
    "learners": {"softsort": {"from": ["random"], "warmup_epochs": 1, "search_epochs": 2}},
    "controls": ["learned-static"],
}
CELLS = ["row", "random", "random/softsort", "random/softsort/learned-static"]
RECIPE = {
    "format_version": 1,
    "data": {"name": "digits", "batch_size": 200},
    "backbone": {"name": "local", "patch_size": 4, "dim": 8},
    "order": {"start": "random", "learner": {"name": "softsort", "warmup_epochs": 0, "search_epochs": 1}},
    "train": {"epochs": 2, "device": "cpu"},
}
TERMINATED, INTERRUPTED = 143, 130


@pytest.fixture(autouse=True)
def only_what_is_needed(monkeypatch):
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")
    # As users have it; the working folder may not be on the path of a process that is started anew.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def stop(children, wait_for_lines, tmp_path):
    """Call a command, stop it when a file has a line, and return its exit code and output."""

    def stop(number, file, *arguments):
        errors = tmp_path / "stderr"
        process = children.start("command_line", arguments, str(tmp_path), str(errors))
        wait_for_lines(file, 1, seconds=600)  # processes that import torch are slow to start on a busy machine
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 2
        began = time.monotonic()
        os.kill(process.pid, number)
        process.join(PATIENCE)
        assert process.exitcode is not None
        assert psutil.wait_procs(started, timeout=PATIENCE)[1] == []
        assert time.monotonic() - began < PATIENCE
        return process.exitcode, errors.read_text()

    return stop


@pytest.mark.slow
def test_a_study_ends_and_continues_as_if_it_had_not(stop, children, outcome, tmp_path):
    """The processes of its data loaders end as well."""

    def folder(out, cell):
        return tmp_path / out / "cells" / "digits" / "local" / cell / "seed-0"

    def everything(out):
        rows = StudyResult.read(tmp_path / out / "study.json").rows
        told = [(row.start, row.learner, row.control, row.score, row.seeds) for row in rows]
        return {cell: outcome(folder(out, cell)) for cell in CELLS}, told

    def results():
        return {
            cell: (folder("out", cell) / "result.json").stat().st_mtime_ns
            for cell in CELLS
            if (folder("out", cell) / "result.json").exists()
        }

    (tmp_path / "tiny.yaml").write_text(json.dumps(STUDY))
    command = ("study", "tiny.yaml", "--out", "out", "--jobs", "2")
    exit_code, told = stop(signal.SIGTERM, folder("out", "random/softsort") / "metrics.jsonl", *command)
    assert exit_code == TERMINATED
    assert f"continue with: reorder-kit {' '.join(command)}\n" in told
    assert "Traceback" not in told
    finished = results()
    assert finished
    assert CELLS[-1] not in finished
    assert len(CELLS) - len(finished) <= StudyResult.read(tmp_path / "out" / "study.json").unfinished < len(CELLS)
    assert not any((folder("out", cell) / "failure.json").exists() for cell in CELLS)

    children.finish(children.start("study", STUDY, str(tmp_path / "out"), jobs=0))
    children.finish(children.start("study", STUDY, str(tmp_path / "whole"), jobs=0))
    assert everything("out") == everything("whole")
    assert results().items() >= finished.items()  # not trained again


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, TERMINATED), (signal.SIGINT, INTERRUPTED)])
def test_a_benchmark_ends_and_keeps_its_ledger(number, code, stop, tmp_path):
    ledger = tmp_path / "planted.jsonl"
    learners = ("--learner", "softsort", "--seeds", "3")
    exit_code, told = stop(number, ledger, "bench", "planted", *learners, "--out", "planted.jsonl")
    assert exit_code == code
    assert "continue with: reorder-kit bench planted" in told
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert 1 <= len(lines) < 9
    assert told.count(" s\n") == len(lines)


@pytest.mark.slow
def test_a_transfer_ends_and_continues(stop, children, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**RECIPE, "name": name}))
    learned = tmp_path / "out" / "a" / "seed-0" / "learned" / "result.json"
    command = ("transfer", "a.yaml", "b.yaml", "--out", "out", "--seeds", "1")
    code, told = stop(signal.SIGTERM, learned, *command)
    assert code == TERMINATED
    assert "continue with: reorder-kit transfer" in told
    before = learned.stat().st_mtime_ns
    children.finish(children.start("command_line", command, str(tmp_path), str(tmp_path / "stderr")))
    assert learned.stat().st_mtime_ns == before
    assert (tmp_path / "out" / "transfer.json").exists()
