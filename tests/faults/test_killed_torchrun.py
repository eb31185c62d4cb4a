"""If only torchrun is killed, its processes keep training; nothing may resume in their folder until they end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import reorder_kit
from reorder_kit.errors import ReorderKitError
from reorder_kit.testing import host_with

SCRIPT = """
import json
import sys

from child_process import train

train(json.loads(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.slow
def test_a_resume_is_refused_while_the_processes_of_a_killed_torchrun_live(
    children, recipe, outcome, wait_for_lines, tmp_path
):
    recipe = {**recipe, "task": "classification", "train": {**recipe["train"], "epochs": 60}}
    children.train_group(recipe, tmp_path / "whole")
    out, script = tmp_path / "run", tmp_path / "script.py"
    script.write_text(SCRIPT)
    folders = [Path(__file__).parent, Path(__file__).parents[1] / "helpers"]
    path = os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")])
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    group = subprocess.Popen([*torchrun, str(script), json.dumps(recipe), str(out)], env=environment)
    ranks = []
    try:
        wait_for_lines(out / "metrics.jsonl", 2)
        ranks = psutil.Process(group.pid).children(recursive=True)
        group.kill()
        group.wait()
        with pytest.raises(ReorderKitError, match="another process is training in it"):
            reorder_kit.run(recipe, out=out, resume=True, host=host_with())
        assert not (out / "result.json").exists()
    finally:
        for rank in ranks:
            rank.kill()
        psutil.wait_procs(ranks, timeout=30)
        group.kill()
    children.train_group(recipe, out, resume=True)
    assert outcome(out) == outcome(tmp_path / "whole")
