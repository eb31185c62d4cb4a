"""A study killed at any moment resumes as if it had never stopped, and leaves no process behind."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import submitit

from pieces_of_work import Piece
from reorder_kit.jobs.cluster import ClusterJobs
from reorder_kit.jobs.work import Ended, Failure
from reorder_kit.studies.results import StudyResult

STUDY = {
    "format_version": 1,
    "name": "tiny",
    "seeds": 1,
    "recipe": {"train": {"epochs": 4, "device": "cpu"}},
    "data": {"digits": {"batch_size": 200}},
    "backbones": {"local": {"patch_size": 2, "dim": 8, "depth": 1, "dropout": 0.1}},
    "starts": ["row", "random"],
    "learners": {"softsort": {"from": ["random"], "warmup_epochs": 1, "search_epochs": 2}},
    "controls": ["learned-static"],
}
CELLS = ["row", "random", "random/softsort", "random/softsort/learned-static"]


@pytest.fixture(autouse=True)
def only_what_is_needed(monkeypatch):
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")
    # As users have it; the working folder may not be on the path of a process that is started anew.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


@pytest.fixture
def everything(outcome):
    """The content of a study's run folders, without timings and environment, and its table."""

    def everything(out):
        cells = {cell: outcome(folder(out, cell)) for cell in CELLS}
        rows = StudyResult.read(out / "study.json").rows
        return cells, [(row.start, row.learner, row.control, row.score, row.seeds) for row in rows]

    return everything


def folder(out, cell):
    return out / "cells" / "digits" / "local" / cell / "seed-0"


def kill(process):
    """Kill only it; processes that it started must end by themselves."""
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.join()
    return started


@pytest.mark.slow
def test_a_killed_study_goes_on_as_if_it_had_not_been_killed(children, everything, wait_for_lines, tmp_path):
    children.finish(children.start("study", STUDY, str(tmp_path / "whole"), jobs=0))
    out = tmp_path / "killed"
    process = children.start("study", STUDY, str(out), jobs=2)
    wait_for_lines(folder(out, "random/softsort") / "metrics.jsonl", 1)
    workers = kill(process)
    assert len(workers) >= 2
    assert psutil.wait_procs(workers, timeout=60)[1] == []
    unfinished = folder(out, "random/softsort/learned-static") / "result.json"
    assert not unfinished.exists()
    finished = {cell: time_of_result(out, cell) for cell in CELLS if (folder(out, cell) / "result.json").exists()}
    assert "row" in finished

    children.finish(children.start("study", STUDY, str(out), jobs=0))
    assert everything(out) == everything(tmp_path / "whole")
    assert {cell: time_of_result(out, cell) for cell in finished} == finished  # not trained again


def time_of_result(out, cell):
    return (folder(out, cell) / "result.json").stat().st_mtime_ns


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again(children, everything, wait_for_lines, tmp_path):
    children.finish(children.start("study", STUDY, str(tmp_path / "whole"), jobs=0))
    out = tmp_path / "killed"
    moments = [(out / "study.yaml", 1), *((folder(out, cell) / "metrics.jsonl", 2) for cell in CELLS)]
    for path, lines in moments:
        process = children.start("study", STUDY, str(out), jobs=1)
        wait_for_lines(path, lines)
        assert psutil.wait_procs(kill(process), timeout=60)[1] == []
    children.finish(children.start("study", STUDY, str(out), jobs=1))
    assert everything(out) == everything(tmp_path / "whole")


def test_what_is_left_of_a_kill_in_the_first_moments_is_no_hindrance(children, tmp_path):
    study = {**STUDY, "learners": {}, "starts": ["row"], "controls": []}
    out = tmp_path / "killed"
    out.mkdir()
    (out / "study.yaml.unfinished").write_text("format_ver")
    children.finish(children.start("study", study, str(out), jobs=0))
    run = folder(out, "row")
    result = json.loads((run / "result.json").read_text())
    shutil.rmtree(run)
    (run / "checkpoints").mkdir(parents=True)
    (run / "recipe.yaml.unfinished").write_text("form")
    children.finish(children.start("study", study, str(out), jobs=0))
    assert json.loads((run / "result.json").read_text())["metrics"] == result["metrics"]


@pytest.mark.slow
def test_jobs_of_a_cluster_train_a_study(tmp_path):
    """On the executor of submitit that starts processes of this machine."""
    (tmp_path / "tiny.yaml").write_text(json.dumps({**STUDY, "starts": ["random"]}))
    options = ["--submit", "--submit-option", "cluster=local", "--jobs", "2", "--out", "out"]
    command = [sys.executable, "-m", "reorder_kit", "study", "tiny.yaml", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = StudyResult.read(tmp_path / "out" / "study.json")
    assert [row.seeds for row in results.rows] == [(0,)] * 3
    assert (results.failures, results.unfinished) == ((), 0)
    assert len(list((tmp_path / "out" / "jobs").rglob("*_log.err"))) == 3


@pytest.mark.slow
def test_a_job_that_ends_before_its_run_is_told(tmp_path):
    lost, done = Piece("lost", "end", 3), Piece("done", "number", 5)
    with ClusterJobs(tmp_path / "jobs", {"cluster": "local"}, jobs=None) as jobs:
        assert jobs.free == 1  # of this machine, unless more are asked for
        jobs.start([lost])
        assert jobs.free == 0
        (ended,) = jobs.wait()
        assert ended.work is lost
        jobs.start([done])
        assert jobs.wait() == [Ended(done, 5)]
        assert jobs.wait() == []
    told, _, log = ended.failure.reason.partition("; see ")
    assert told.endswith(" ended before the run did")
    assert Path(log).is_relative_to(tmp_path / "jobs")


def test_jobs_that_nobody_waits_for_are_cancelled(monkeypatch, tmp_path):
    class Executor:
        def __init__(self, folder, cluster):
            assert cluster == "slurm"

        def update_parameters(self, **parameters):
            assert parameters == {"timeout_min": 1440, "slurm_partition": "gpu"}

        def batch(self):
            return nullcontext()

        def submit(self, function, work):
            return jobs.setdefault(str(work), Job())

    class Job:
        is_done = is_cancelled = False
        job_id, paths = "7", SimpleNamespace(stderr="log")

        def done(self):
            return self.is_done

        def result(self):
            raise submitit.core.utils.UncompletedJobError

        def cancel(self):
            self.is_cancelled = True

    jobs = {}
    monkeypatch.setattr(submitit, "AutoExecutor", Executor)
    pieces = [Piece("first", "number", 1), Piece("second", "number", 2)]
    with ClusterJobs(tmp_path, {"slurm_partition": "gpu"}, jobs=None) as executor:
        assert executor.free > 1000
        executor.start(pieces)
        jobs["second"].is_done = True
        assert executor.wait() == [Ended(pieces[1], failure=Failure("job 7 ended before the run did; see log"))]
    assert (jobs["first"].is_cancelled, jobs["second"].is_cancelled) == (True, False)
