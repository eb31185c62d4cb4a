import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SIGKILL = -9

PATIENCE = 600
"""Seconds after which a training of seconds is taken to hang, on a machine that may be busy."""


def kill_with_all_it_started(pid):
    """Kill a process, then its data-loading workers and, where it is torchrun, its ranks in sessions of their own."""
    process = psutil.Process(pid)
    process.suspend()  # so that it starts nothing more
    started = process.children(recursive=True)
    for each in [process, *started]:
        each.kill()
    psutil.wait_procs(started, timeout=30)


def kill_in_the_middle(children, wait_for_lines, recipe, out, moments, **options):
    """Start, kill after some lines of metrics and a part of an epoch, resume; once for each moment."""
    for resume, (metrics, lines, seconds) in enumerate(moments):
        process = children.start("train", recipe, str(out), resume=resume > 0, **options)
        wait_for_lines(out / metrics, lines)
        time.sleep(seconds)
        kill_with_all_it_started(process.pid)
        process.join()
        assert process.exitcode == SIGKILL
        assert not (out / "result.json").exists()


def pretend_to_be_killed_before_the_checkpoint(out):
    """The files written at the end of an epoch before its checkpoint, and half a checkpoint."""
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "train": {"loss": 9.0}}\n{"epoch": 4, "tr')
    (out / "orders" / "epoch-0004.json").write_text("{}")
    with (out / "orders" / "sampled-process-0.jsonl").open("a") as file:
        file.write('{"epoch": 4, "order": []}\n')
    unfinished = out / "checkpoints" / "unfinished"
    unfinished.mkdir(exist_ok=True)
    (unfinished / "model.safetensors").write_text("half of it")


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(children, recipe, outcome, wait_for_lines, tmp_path):
    recipe = {**recipe, "data": {**recipe["data"], "workers": 1}}
    children.train(recipe, tmp_path / "whole")
    killed = tmp_path / "killed"
    kill_in_the_middle(children, wait_for_lines, recipe, killed, [("metrics.jsonl", 1, 0.02)])
    pretend_to_be_killed_before_the_checkpoint(killed)
    children.train(recipe, killed, resume=True)
    # A softsort run draws no orders; the file was made up above.
    (killed / "orders" / "sampled-process-0.jsonl").unlink()
    assert outcome(killed) == outcome(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["softsort", "softsort-then-retrain", "reinforce"])
def test_a_run_survives_any_number_of_kills(learner, children, recipe, reinforce, outcome, wait_for_lines, tmp_path):
    chosen = reinforce if learner == "reinforce" else recipe
    if learner == "softsort-then-retrain":
        recipe["order"]["learner"] |= {"warmup_epochs": 0, "search": "then-retrain"}
    chosen = {**chosen, "controls": ["fixed-start", "learned-static"], "data": {**chosen["data"], "workers": 2}}
    out = tmp_path / "run"
    children.train(chosen, out)
    expected = outcome(out)
    out.rename(tmp_path / "whole")
    beside = "controls/fixed-start/metrics.jsonl"
    moments = [
        ("recipe.yaml", 1, 0.0),
        ("metrics.jsonl", 1, 0.0),
        ("metrics.jsonl", 2, 0.05),
        ("metrics.jsonl", 3, 0.1),
        (beside, 1, 0.02),
        (beside, 3, 0.05),
        ("controls/learned-static/metrics.jsonl", 2, 0.0),
    ]
    kill_in_the_middle(children, wait_for_lines, chosen, out, moments)
    pretend_to_be_killed_before_the_checkpoint(out / "controls" / "learned-static")
    children.train(chosen, out, resume=True)
    (out / "controls" / "learned-static" / "orders" / "sampled-process-0.jsonl").unlink()
    assert outcome(out) == expected


@pytest.mark.slow
def test_sampled_orders_are_part_of_what_is_kept(children, reinforce, outcome, wait_for_lines, tmp_path):
    children.train(reinforce, tmp_path / "whole")
    killed = tmp_path / "killed"
    kill_in_the_middle(children, wait_for_lines, reinforce, killed, [("metrics.jsonl", 2, 0.0)])
    pretend_to_be_killed_before_the_checkpoint(killed)
    children.train(reinforce, killed, resume=True)
    expected = outcome(tmp_path / "whole")
    assert expected["orders/sampled-process-0.jsonl"].count(b"\n") == 2  # one for each of two epochs of search
    assert outcome(killed) == expected


SCRIPT = """
import json
import sys

from child_process import train

recipe, out, moment = sys.argv[1:]
train(json.loads(recipe), out, moment == "resume")
"""


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["softsort", "reinforce"])
def test_two_killed_processes_under_torchrun_go_on_as_if_they_had_not_been_killed(
    learner, recipe, reinforce, outcome, wait_for_lines, tmp_path
):
    chosen = recipe if learner == "softsort" else reinforce
    workers = int(learner == "softsort")  # loaders are processes that import torch: once is enough
    chosen = {**chosen, "controls": ["fixed-start"], "data": {**chosen["data"], "workers": workers}}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def start(resume=False):
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        arguments = [str(script), json.dumps(chosen), str(out), "resume" if resume else "anew"]
        folders = [Path(__file__).parent, Path(__file__).parents[1] / "helpers"]
        path = os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([*torchrun, *arguments], env=environment)

    def finish(group):
        try:
            assert group.wait(PATIENCE) == 0
        finally:
            if group.poll() is None:
                kill_with_all_it_started(group.pid)

    out = tmp_path / "run"
    finish(start())
    expected = outcome(out)
    out.rename(tmp_path / "whole")
    for resume, metrics, lines in [(False, "metrics.jsonl", 2), (True, "controls/fixed-start/metrics.jsonl", 1)]:
        group = start(resume)
        wait_for_lines(out / metrics, lines)
        kill_with_all_it_started(group.pid)
        group.wait()
        assert not (out / "result.json").exists()
    finish(start(resume=True))
    assert outcome(out) == expected
