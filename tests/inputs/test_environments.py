"""Unusual environments: a full disk or a closed pipe on standard output, a C locale, no locks, overlong names."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from reorder_kit.cli import main as command_line
from reorder_kit.cli.main import app
from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs import local_processes
from reorder_kit.jobs.local_processes import LocalProcesses
from reorder_kit.jobs.slots import Slot
from reorder_kit.runs import folder_lock
from reorder_kit.runs.folder_lock import alone
from says import says

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


CALLS = """
import os
import sys
from reorder_kit.cli.main import main

assert os.fsdecode("läuft".encode()) != "läuft"  # else this is no C locale
for words in ["run", "doors.yaml", "--out", "../läuft", "--quiet"], ["evaluate", "../läuft"], ["report", "../läuft"]:
    sys.argv[1:] = [os.fsdecode(word.encode()) for word in words]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, words
"""


def call(*arguments, stdout=subprocess.PIPE, **environment):
    """The command line in a separate process."""
    command = [sys.executable, "-m", "reorder_kit", *map(os.fspath, arguments)]
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **environment}, check=False, timeout=120
    )


@pytest.mark.slow
@needs_dev_full
@pytest.mark.parametrize("command", [["show-order", "row", "--grid", "2x2"], ["run", "--help"]], ids=" ".join)
def test_a_full_disk_on_standard_output_is_told_in_words(command):
    with Path("/dev/full").open("w") as full:
        done = call(*command, stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode() == "error: cannot write to standard output: No space left on device\n"


@pytest.mark.slow
def test_a_pipe_that_nobody_reads_ends_a_command_silently():
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = call("list-plugins", "--all", stdout=write_end)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.slow
def test_a_closed_standard_output_is_as_good_as_none(tmp_path):
    command = f"exec {sys.executable} -m reorder_kit list-plugins >&-"
    done = subprocess.run(["/bin/sh", "-c", command], stderr=subprocess.PIPE, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_elsewhere_is_no_matter_of_standard_output(monkeypatch):
    def fail(**options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(OSError, match="No space left"):
        command_line.main()


@pytest.fixture
def photos(tmp_path):
    """A folder with an umlaut in its name, and a recipe next to it that names it."""
    folder = tmp_path / "tür"
    for number in range(16):
        path = folder / ("auf", "zu")[number % 2] / f"bö{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 10 * number, dtype=np.uint8)).save(path)
    recipe = {
        "format_version": 1,
        "name": "doors",
        "data": {"name": "image-folder", "root": str(folder), "batch_size": 8, "train_transforms": []},
        "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2, "depth": 1},
        "train": {"epochs": 1, "device": "cpu"},
    }
    (tmp_path / "doors.yaml").write_text(json.dumps(recipe, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_in_a_c_locale_a_path_in_a_recipe_that_cannot_be_named_is_refused_with_the_cause(photos):
    done = call("validate", photos.parent / "doors.yaml", **ASCII)
    assert done.returncode == 2
    assert says(done.stderr.decode(), "data.root", "ascii", "PYTHONUTF8=1")


@pytest.mark.slow
def test_in_a_c_locale_a_path_on_the_command_line_that_is_not_there_is_refused_with_the_cause(photos):
    done = call("validate", photos / "türen.yaml", **ASCII)
    assert done.returncode == 2
    assert says(done.stderr.decode(), "neither a file", "ascii", "PYTHONUTF8=1")


@pytest.mark.slow
def test_in_a_c_locale_a_folder_and_files_with_umlauts_are_read_and_written(photos, tmp_path):
    """The working directory and file names come from the system and are never encoded as text."""
    recipe = (tmp_path / "doors.yaml").read_text(encoding="utf-8").replace(str(photos), ".")
    (photos / "doors.yaml").write_text(recipe, encoding="utf-8")
    (tmp_path / "calls.py").write_text(CALLS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "../calls.py"],
        cwd=photos,
        capture_output=True,
        env={**os.environ, **ASCII},
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "läuft" / "report" / "report.html").exists()
    # With a proper locale, the run opens just as well.
    evaluated = CliRunner().invoke(app, ["evaluate", str(tmp_path / "läuft"), "--json"])
    assert evaluated.exit_code == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["orders"][0]["metrics"]["images"] > 0


@pytest.mark.parametrize("command", [["evaluate"], ["run"], ["report"]], ids=" ".join)
def test_a_name_of_five_thousand_letters_is_told_in_words(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*command, "a" * 5000])
    assert done.exit_code == 2
    assert says(done.stderr, "longer than file systems allow", "aaaa")


def test_a_run_with_a_name_of_three_hundred_letters_is_told_in_words(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    done = CliRunner().invoke(app, ["run", "doors.yaml", "--set", f"name={'a' * 300}"])
    assert done.exit_code == 2
    assert says(done.stderr.lower(), "too long")


def test_without_fcntl_a_folder_is_held_by_trust_and_that_is_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert not hasattr(folder_lock, "fcntl")  # not needed to import it
    with alone(tmp_path), alone(tmp_path):
        (tmp_path / "file").write_text("written")
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: locks are not supported here; make sure that no other process uses it"
    ] * 2


def test_with_fcntl_a_folder_is_held_by_one(tmp_path):
    with alone(tmp_path), pytest.raises(ReorderKitError, match="another process"), alone(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_without_groups_of_processes_many_runs_are_refused_at_use(monkeypatch):
    monkeypatch.delattr(local_processes.os, "setsid")
    processes = LocalProcesses([Slot()])
    with pytest.raises(ReorderKitError, match="no process groups"), processes:
        pass
