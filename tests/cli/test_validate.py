"""`reorder-kit validate`: mistakes in a recipe and warnings."""

from __future__ import annotations

import json

import pytest

from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from says import says

FOUR_MISTAKES = """\
format_version: 1
name: wrong
data: {name: digit}
backbone: {name: local, windw: 3}
order: {start: hilbrt}
train: {epochs: 0}
"""


@pytest.fixture
def wrong(cli, tmp_path):
    (tmp_path / "wrong.yaml").write_text(FOUR_MISTAKES)
    return "wrong.yaml"


@pytest.mark.parametrize("command", ["validate", "run"])
def test_every_mistake_is_listed_with_its_field_and_a_suggestion(cli, wrong, command):
    done = cli(command, wrong)
    assert done.exit_code == 2
    assert done.stdout == ""
    heading, *mistakes = done.stderr.splitlines()
    assert heading == "error: wrong.yaml: 4 mistakes"
    assert sorted(mistakes) == [
        "  backbone.windw: there is no such field (did you mean 'window'?)",
        "  data.name: there is no data-source 'digit' (did you mean 'digits'?)",
        "  order.start.name: there is no ordering 'hilbrt' (did you mean 'hilbert'?)",
        "  train.epochs: input should be greater than or equal to 1, not 0",
    ]


def test_mistakes_as_json(cli, wrong):
    done = cli("validate", wrong, "--json")
    assert done.exit_code == 2
    content = json.loads(done.stdout)
    assert content["error"].startswith("wrong.yaml: 4 mistakes")
    assert {"path": "backbone.windw", "message": "there is no such field", "hint": "did you mean 'window'?"} in (
        content["problems"]
    )
    assert len(content["problems"]) == 4


def test_other_errors_as_json_have_no_problems_but_a_hint(cli):
    done = cli("validate", "quickstrat", "--json")
    assert json.loads(done.stdout) == {
        "error": "quickstrat: neither a file nor a shipped recipe",
        "hint": "did you mean 'quickstart'?",
        "problems": [],
    }


def test_a_good_recipe_is_summed_up(cli):
    done = cli("validate", "trial.yaml", "--set", "train.epochs=3")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "OK: trial.yaml",
        "  local does classification on digits; order from hilbert, learned by softsort; controls: fixed-start",
        "  3 epochs, 600 images per batch, adamw with step size 0.001, seed 0",
    ]


def test_what_a_search_costs_is_said(cli):
    done = cli("validate", "trial.yaml", "--set", "order.learner.search=then-retrain", "--set", "train.epochs=3")
    assert says(done.stdout.splitlines()[-1], "search", "new weights", "share the 3 epochs", "controls")


def test_data_is_not_loaded(cli):
    arguments = ["--set", "data={name: image-folder, root: /not/there}"]
    assert cli("validate", "trial.yaml", *arguments).exit_code == 0
    assert cli("run", "trial.yaml", *arguments).exit_code == 2


def test_files_that_a_run_could_not_use_are_refused(cli, tmp_path):
    OrderFile("small", Grid(2, 2), Order([0, 2, 1, 3])).save(tmp_path / "small.json")
    OrderFile("right", Grid(4, 4), Order(range(16))).save(tmp_path / "right.json")
    for assignment, reason in [
        ("order.start={file: not-there.json}", "order.start: {here}/not-there.json: No such file"),
        ("order.start={file: small.json}", "order.start: {here}/small.json: made for the 2x2 grid"),
        ("data.plant={order: custom, file: small.json}", "data.plant: {here}/small.json: made for the 2x2 grid"),
        ("train.weights=runs/none", "train.weights: {here}/runs/none does not hold a finished run"),
        (
            "order={weights: runs/none, learner: softsort}",
            "order.weights: {here}/runs/none does not hold a finished run",
        ),
    ]:
        reason = reason.format(here=tmp_path)
        for command in ("validate", "run"):
            done = cli(command, "trial.yaml", "--set", assignment, "--set", "controls=[]")
            assert done.exit_code == 2
            assert reason.partition(": ")[2] in " ".join(done.stderr.split())
        assert reason in " ".join(cli("validate", "trial.yaml", "--set", assignment).stderr.split())
    assert cli("validate", "trial.yaml", "--set", "order.start={file: right.json}").exit_code == 0


@pytest.mark.parametrize(
    "backbone", ["name: arm, patch_size: 2", "name: mamba, patch_size: 2", "name: timm, model: test_vit, patch_size: 2"]
)
def test_weights_of_a_backbone_that_are_not_there_are_refused(cli, tmp_path, backbone):
    arguments = ["--set", f"backbone={{{backbone}, weights: none.safetensors}}"]
    done = cli("validate", "trial.yaml", *arguments)
    assert done.exit_code == 2
    assert f"backbone.weights: the file {tmp_path}/none.safetensors does not exist" in " ".join(done.stderr.split())
    (tmp_path / "none.safetensors").write_bytes(b"")
    assert cli("validate", "trial.yaml", *arguments).exit_code == 0


def test_a_run_of_so_many_steps_is_summed_up_without_epochs_that_nobody_knows(cli):
    done = cli(
        "validate", "trial.yaml", "--set", "train={steps: 30, device: cpu}", "--set", "schedule.warmup_epochs=99"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert "  30 steps, 600 images per batch" in done.stdout


@pytest.mark.parametrize(
    ("assignments", "field"),
    [
        (["order.learner.warmup_epochs=1"], "order.learner"),
        (["order.learner.search_epochs=0"], "order.learner"),
        (["order.learner.search_epochs=2"], "order.learner"),
        (["order.learner.search_epochs=100%"], "order.learner"),
        (["schedule.warmup_epochs=1"], "schedule.warmup_epochs"),
        (["controls=[]"], "controls"),
        (["backbone={name: vit, patch_size: 2}"], "backbone.name"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning_and_no_error(cli, assignments, field):
    arguments = [word for assignment in assignments for word in ("--set", assignment)]
    done = cli("validate", "trial.yaml", *arguments)
    assert done.exit_code == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith(f"warning: {field}: ")
    assert json.loads(cli("validate", "trial.yaml", *arguments, "--json").stdout) == {
        "name": "trial",
        "warnings": [warning.removeprefix("warning: ")],
    }


def test_without_a_learner_there_is_nothing_to_doubt(cli):
    done = cli("validate", "trial.yaml", "--set", "order.learner=null", "--set", "controls=[]")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "order from hilbert, not learned\n" in done.stdout


def test_a_malformed_assignment_is_explained(cli):
    done = cli("validate", "trial.yaml", "--set", "train.epochs")
    assert done.exit_code == 2
    assert says(done.stderr, "error: --set train.epochs", "hint: ", "--set train.epochs=3")


def test_a_share_of_the_patches_is_said_in_slots(cli):
    quarter = ("trial.yaml", "--set", "order.learner=null", "--set", "controls=[]", "--set", "order.keep=0.25")
    assert "order from hilbert, not learned, 4 of 16 patches read" in cli("validate", *quarter).stdout
    content = json.loads(cli("validate", *quarter, "--json").stdout)
    assert (content["slots"], content["patches"]) == (4, 16)
    refused = cli("validate", "trial.yaml", "--set", "order.keep=0.25")
    assert refused.exit_code == 2
    assert "order.keep: 4 of 16 patches are read, but softsort orders all of them" in refused.stderr
