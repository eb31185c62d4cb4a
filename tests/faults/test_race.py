"""A killed race resumes as if it had never stopped, and several processes share one."""

import json
import subprocess
import sys

import pytest
from optuna.storages.journal._storage import JournalOperation

from reorder_kit.race.results import RaceResult

RECIPE = {
    "format_version": 1,
    "name": "tiny",
    "data": {"name": "digits", "batch_size": 300},
    "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
    "train": {"steps": 30, "device": "cpu"},
}


def result(out):
    """The result, without timings and the name of the race."""
    found = RaceResult.read(out / "race.json").as_dict()
    return {field: value for field, value in found.items() if field not in ("seconds", "files", "checksum")}


@pytest.mark.slow
def test_a_killed_race_goes_on_and_two_processes_share_one(children, wait_for_lines, tmp_path):
    children.finish(children.start("race", str(tmp_path / "whole")))
    killed = children.start("race", str(tmp_path / "killed"))
    wait_for_lines(tmp_path / "killed" / "journal.log", 12)
    killed.kill()
    killed.join()
    assert not (tmp_path / "killed" / "race.json").exists()
    children.finish(children.start("race", str(tmp_path / "killed")))
    assert result(tmp_path / "killed") == result(tmp_path / "whole")

    children.finish(*(children.start("race", str(tmp_path / "shared")) for _ in range(2)))
    assert result(tmp_path / "shared") == result(tmp_path / "whole")
    written = [json.loads(line) for line in (tmp_path / "shared" / "journal.log").read_text().splitlines()]
    told = [line for line in written if line["op_code"] == JournalOperation.SET_TRIAL_STATE_VALUES]
    assert len(told) == len(list((tmp_path / "shared" / "trials").glob("*/trial.json")))


@pytest.mark.slow
def test_jobs_of_a_cluster_share_a_race(tmp_path):
    """On the executor of submitit that starts processes of this machine."""
    (tmp_path / "tiny.yaml").write_text(json.dumps(RECIPE))
    options = ["--jobs", "2", "--submit", "--submit-option", "cluster=local", "--seeds", "0", "--out", "out"]
    command = [sys.executable, "-m", "reorder_kit", "race", "tiny.yaml", "--budget", "2", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert RaceResult.read(tmp_path / "out" / "race.json").cost <= 2
    assert len(list((tmp_path / "out" / "jobs").rglob("*_log.err"))) == 2
