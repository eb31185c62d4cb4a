"""`reorder-kit study`: output before, during and after training."""

from __future__ import annotations

import json

import pytest

from in_this_process import InThisProcess, W
from reorder_kit.studies.library import study_names

STUDY = """\
format_version: 1
name: tiny
seeds: 2
recipe: {train: {epochs: 1, device: cpu}}
data: {digits: {batch_size: 600}}
backbones: {local: {patch_size: 2, window: 2, depth: 1, dim: 8, readout: last}}
starts: [row, random]
learners: {softsort: {from: [random], warmup_epochs: 0}}
controls: [learned-static, null-reward]
"""

MISTAKEN = """
import os

import torch

from reorder_kit import hookimpl
from reorder_kit.order_learners.softsort import SoftSort, SoftSortPolicy

class Mistaken(SoftSort):
    \"""A learner with a mistake.\"""

    name = "mistaken"

    def build_policy(self, context):
        print("a plugin says hello")
        return MistakenPolicy(self.options, context.start)

class MistakenPolicy(SoftSortPolicy):
    def loss(self, passes, batch=None):
        return torch.zeros(()) if "REPAIRED" in os.environ else passes[0].reward.mean() * float("nan")

@hookimpl
def register_order_learners():
    return [Mistaken]
"""


@pytest.fixture
def study(cli, tmp_path, install):
    """The command for a tiny study, with a third-party learner."""
    (tmp_path / "tiny.yaml").write_text(STUDY)
    install("mistaken-dist", {"mistaken": "mistaken_module"}, {"mistaken_module": MISTAKEN})
    return lambda *arguments: cli("study", "tiny.yaml", *arguments)


@pytest.mark.slow
def test_a_study_is_planned_trained_and_summed_up(study, tmp_path):
    planned = study("--dry-run")
    assert planned.exit_code == 0
    assert planned.stderr.splitlines()[:4] == [
        "runs/tiny: 4 rows of 2 seeds, 8 runs",
        "  is a learned or chosen order better than the best fixed one: 2 comparisons",
        "  the only fixed order is row",
        "  is a learner better than its fixed start: 1 comparison",
    ]
    assert "  null-reward is left out for softsort, which does not learn from rewards" in planned.stderr
    assert [line.split() for line in planned.stdout.splitlines()[1:]] == [
        ["digits", "local", "row"],
        ["digits", "local", "random"],
        ["digits", "local", "random", "softsort"],
        ["digits", "local", "random", "softsort", "learned-static"],
    ]
    assert not (tmp_path / "runs").exists()

    trained = study("--smoke", "--jobs", "2", "--set", "seeds=1")
    assert trained.exit_code == 0, trained.stderr
    lines = trained.stderr.splitlines()
    assert "first training a few steps of 4 rows, to be discarded" in lines
    finished = [line.partition(",")[0] for line in lines if line.startswith(("1/4 ", "2/4 ", "3/4 ", "4/4 "))]
    assert len(finished) == 8  # four rows tried, four runs trained
    assert {line.split()[1] for line in finished} == {
        "digits/local/row/seed-0",
        "digits/local/random/seed-0",
        "digits/local/random/softsort/seed-0",
        "digits/local/random/softsort/learned-static/seed-0",
    }
    assert trained.stdout.splitlines()[-1] == "wrote runs/tiny/study.json; view it with: reorder-kit report runs/tiny"
    table = [line.split() for line in trained.stdout.splitlines() if line.startswith("digits")]
    assert [line[-2] for line in table] == ["1"] * 4
    results = json.loads((tmp_path / "runs/tiny/study.json").read_text())
    assert [float(line[-1]) for line in table] == [round(row["score"]["mean"], 3) for row in results["rows"]]
    assert not list((tmp_path / "runs/tiny").rglob("*.png"))

    as_json = study("--set", "seeds=1", "--json")
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout) == json.loads((tmp_path / "runs/tiny/study.json").read_text())
    assert "1/4" not in as_json.stderr  # nothing was trained again


class OneAtATime(InThisProcess[W]):
    def __init__(self, slots):
        super().__init__()


@pytest.mark.slow
def test_runs_that_fail_are_listed_and_tried_again(study, tmp_path, monkeypatch):
    monkeypatch.setattr("reorder_kit.jobs.place.LocalProcesses", OneAtATime)
    learners = ["--set", "learners={mistaken: {from: [row]}}", "--set", "seeds=1"]
    smoked = study(*learners, "--smoke", "--json")
    assert smoked.exit_code == 1
    failed = json.loads(smoked.stdout)["failures"]  # the output of plugins is not included
    assert [failure["run"] for failure in failed] == ["digits/local/row/mistaken/seed-0"]
    assert failed[0]["reason"].startswith("the loss became NaN or infinite at step 1 (epoch 1)")
    assert not (tmp_path / "runs/tiny/cells").exists()

    done = study(*learners)
    assert done.exit_code == 1
    reason = "the loss became NaN or infinite at step 1 (epoch 1); there is no checkpoint yet"
    assert done.stderr.count(f"failed: cells/digits/local/row/mistaken/seed-0: {reason}") == 1
    assert "1 run was not trained because others failed." in done.stdout
    assert len([line for line in done.stdout.splitlines() if line.startswith("digits")]) == 2

    monkeypatch.setenv("REPAIRED", "yes")
    again = study(*learners)
    assert again.exit_code == 0
    assert "4 runs, 2 of them finished" in again.stderr
    assert "failed" not in again.stderr
    assert len([line for line in again.stdout.splitlines() if line.startswith("digits")]) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "recipe.train.epoch=1"], "  recipe.train.epoch: there is no such field (did you mean 'epochs'?)"),
        (
            ["--set", "starts.row=1"],
            "error: --set starts.row: starts is a list without an entry row: its ent",
        ),
        (["--submit-option", "timeout_min=3"], "error: --submit-option has no effect without --submit"),
        (["--submit", "--submit-option", "cluster=local", "--submit-option", "timeout=3"], "error: --submit-option: "),
        (["--submit"], 'error: --submit: Could not detect "srun"'),
        (["--out", "tiny.yaml"], "error: tiny.yaml is not an empty folder and holds no study"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(study, tmp_path, arguments, message):
    before = sorted(tmp_path.iterdir())
    done = study(*arguments)
    assert done.exit_code == 2
    assert any(line.startswith(message) for line in done.stderr.splitlines()), done.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_mistakes_are_json_where_that_is_asked_for(study):
    done = study("--set", "recipe.train.epoch=1", "--json")
    assert done.exit_code == 2
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["path"] == "recipe.train.epoch"


def test_a_plan_is_json_where_that_is_asked_for(study):
    plan = json.loads(study("--dry-run", "--json").stdout)
    assert (plan["runs"], plan["finished"], plan["seeds"]) == (8, 0, 2)
    assert plan["rows"][2] == {
        "data": "digits",
        "backbone": "local",
        "length": 1.0,
        "start": "random",
        "learner": "softsort",
        "control": None,
    }
    assert plan["comparisons"] == {"best-fixed": 2, "learning-helps": 1, "order-holds-up": 1}
    assert plan["pool"] == ["row"]


def test_shipped_studies_are_found_by_name(cli):
    assert "quick" in study_names()
    done = cli("study", "qick")
    assert done.exit_code == 2
    assert "did you mean 'quick'?" in done.stderr
