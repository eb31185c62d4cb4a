"""`reorder-kit run`: progress, results, stopping and resuming."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

QUICK = ["--set", "controls=[]"]

INTERRUPTING = """
from pathlib import Path
from reorder_kit import hookimpl

@hookimpl
def epoch_finished(run, epoch, record):
    if epoch == 1 and not Path("was-stopped").exists():
        Path("was-stopped").touch()
        raise KeyboardInterrupt
"""

TALKATIVE = """
from reorder_kit import hookimpl

@hookimpl
def epoch_finished(run, epoch, record):
    print("a plugin says hello")
"""


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    monkeypatch.setenv("REORDER_KIT_BLOCK", "events.pictures,events.tensorboard")


def cells(line):
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_summary_shows_the_run_and_its_control_and_how_far_they_are_apart(trained):
    run = trained.result["metrics"]["test"]["top1"]
    control = trained.result["controls"]["fixed-start"]["metrics"]["test"]["top1"]
    lines = [cells(line) for line in trained.printed.stdout.splitlines()]
    assert ["test top1", "difference"] in lines
    assert ["trial", f"{run:.3f}"] in lines
    assert ["fixed-start", f"{control:.3f}", f"{100 * (run - control):+.1f} points"] in lines


def test_the_summary_says_that_the_order_selects(trained):
    assert "5 of 16 slots reach the readout: this is a selection case" in trained.printed.stdout


def test_the_summary_names_the_files_that_were_written(trained):
    named = [line.removeprefix("wrote ") for line in trained.printed.stdout.splitlines() if line.startswith("wrote ")]
    assert named == [
        f"runs/trial/{name}" for name in ("order.png", "curves.png", "predictions.png", "order.json", "result.json")
    ]
    assert all((trained.folder.parents[1] / name).stat().st_size > 0 for name in named)


def test_the_summary_gives_the_distance_to_the_start(trained):
    tau = trained.result["order"]["kendall_tau_to_start"]
    assert f"final order to the start: {tau:.3f}" in trained.printed.stdout
    assert "never searched" not in trained.printed.stdout


def test_progress_goes_to_stderr_and_names_the_epoch(trained):
    assert "trial: epoch 1/1" in trained.printed.stderr
    assert "epoch 1/1" not in trained.printed.stdout


def test_without_a_terminal_there_are_no_control_characters(trained):
    assert all(character.isprintable() or character == "\n" for character in trained.printed.output)


def test_a_learner_that_never_searched_is_reported(cli):
    done = cli("run", "trial.yaml", *QUICK, "--set", "order.learner.warmup_epochs=1")
    assert done.exit_code == 0
    assert "The learner never searched: its warm-up lasted as long as the run." in done.stdout
    assert "warning: order.learner: the search never starts" in done.stderr


def test_a_run_without_a_learner_says_so_and_reads_all_slots(cli):
    done = cli("run", "trial.yaml", *QUICK, "--set", "order.learner=null", "--set", "backbone.readout=mean")
    assert "No order was learned" in done.stdout
    assert "difference" not in done.stdout
    assert "16 of 16 slots reach the readout: every patch is read" in done.stdout


def test_quiet_leaves_only_what_came_out(cli):
    done = cli("run", "trial.yaml", *QUICK, "--quiet")
    assert done.stderr == ""
    assert "test top1" in done.stdout


def test_json_is_the_result_and_nothing_else_whatever_plugins_print(cli, install, tmp_path):
    install("talkative", {"talkative": "talkative_plugin"}, {"talkative_plugin": TALKATIVE})
    done = cli("run", "trial.yaml", *QUICK, "--json", "--out", "here")
    assert json.loads(done.stdout) == json.loads((tmp_path / "here" / "result.json").read_text())
    assert done.stderr == "a plugin says hello\n"


def test_set_changes_fields_and_out_the_folder(cli, tmp_path):
    done = cli("run", "trial.yaml", *QUICK, "--set", "name=renamed", "--set", "order.start=column", "--out", "there")
    assert done.exit_code == 0
    assert json.loads((tmp_path / "there" / "result.json").read_text())["name"] == "renamed"
    columns = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
    assert json.loads((tmp_path / "there" / "orders" / "start.json").read_text())["order"] == columns


def test_a_folder_in_use_is_refused(cli, trained):
    done = cli("run", "trial.yaml", "--out", trained.folder)
    assert done.exit_code == 2
    assert "hint: resume with --resume, or give another --out" in done.stderr


def test_a_stopped_run_tells_how_to_go_on_and_does(cli, install, tmp_path):
    install("interrupting", {"interrupting": "interrupting_plugin"}, {"interrupting_plugin": INTERRUPTING})
    sets = [*QUICK, "--set", "train.epochs=2", "--set", "name=two-words"]
    stopped = cli("run", "trial.yaml", *sets)
    assert stopped.exit_code == 130
    *_, how, last = stopped.stderr.splitlines()
    assert last == "stopped"
    words = shlex.split(how.removeprefix("resume with: "))
    assert words == ["reorder-kit", "run", "trial.yaml", *sets, "--out", "runs/two-words", "--resume"]
    done = cli(*words[1:])
    assert done.exit_code == 0
    assert "resumes at epoch 2" in done.stderr
    assert len((tmp_path / "runs" / "two-words" / "metrics.jsonl").read_text().splitlines()) == 2


def test_a_run_stopped_before_it_began_has_nothing_to_go_on_with(cli, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("reorder_kit.training.run.build_accelerator", stop)
    done = cli("run", "trial.yaml")
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr == "stopped\n"


def test_a_broken_plugin_is_named_and_does_not_stop_the_run(cli, install):
    install("broken-dist", {"broken": "broken_plugin"}, {"broken_plugin": "import not_there_at_all"})
    done = cli("run", "trial.yaml", *QUICK)
    assert done.exit_code == 0
    assert "warning: plugin 'broken' of broken-dist failed: ModuleNotFoundError" in done.stderr


@pytest.mark.slow
def test_of_several_processes_only_the_main_one_prints(cli, tmp_path):
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "reorder_kit", "run"]
    done = subprocess.run(
        [*run, "trial.yaml", *QUICK, "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "trial"


def test_a_run_says_what_it_reads(trained):
    (line,) = [line for line in trained.printed.stderr.splitlines() if " images of " in line]
    assert line == "  1,200 train, 100 validation, 497 test images of 1x8x8, 10 classes"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "cpu", "--set", "train.device=cpu"], "--device and --set train.device both set train.device"),
        (["--device", "cpu", "--set", "train={device: cpu}"], "--device and --set train both set train.device"),
        (["--seed", "3", "--set", "seed=4"], "--seed and --set seed both set seed"),
        (["--device", "tpu"], "train.device: there is no choice 'tpu'"),
    ],
)
def test_what_is_given_twice_or_wrongly_by_an_option_is_refused(cli, words, message):
    for command in ("run", "validate"):
        done = cli(command, "trial.yaml", *words)
        assert done.exit_code == 2
        assert message in " ".join(done.stderr.split())


def test_device_and_seed_are_fields_of_the_recipe(cli):
    done = cli("validate", "trial.yaml", "--device", "auto", "--seed", "7")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "seed 7" in done.stdout


def test_a_run_is_extended_and_its_controls_are_named(trained, cli, tmp_path, monkeypatch):
    words = ["run", str(trained.folder), "--extend", "1", "--seed", "5"]
    monkeypatch.setattr(sys, "argv", ["reorder-kit", *words])
    done = cli(*words)
    assert done.exit_code == 0, done.output
    assert f"the controls of {trained.folder} are not extended" in done.stderr
    assert "wrote runs/trial-extended/result.json" in done.stdout
    assert json.loads((trained.folder / "result.json").read_text()) == trained.result
    recipe = (tmp_path / "runs/trial-extended/recipe.yaml").read_text()
    assert "seed: 5\n" in recipe
    assert f"The order is the final order of {trained.folder}; the search was not continued." in done.stdout
    (tmp_path / "runs/trial-extended/result.json").unlink()  # as if it had been stopped
    words += ["--out", "runs/trial-extended", "--resume"]
    refused = " ".join(cli("evaluate", "runs/trial-extended").stderr.split())
    assert refused.endswith(
        f"does not hold a finished run hint: resume it with: {shlex.join(['reorder-kit', *words])}"
    ), refused
    assert cli(*words).exit_code == 0


def test_only_a_run_can_be_extended(cli):
    done = cli("run", "trial.yaml", "--extend", "1")
    assert done.exit_code == 2
    assert "trial.yaml is not a run folder" in done.stderr


def test_a_run_that_ends_in_its_search_says_so(cli):
    done = cli("run", "trial.yaml", *QUICK, "--set", "order.learner.search_epochs=100%")
    assert done.exit_code == 0
    assert "warning: order.learner: the search lasts to the end of the run of 1 epoch" in done.stderr
    assert "The run ended during its search" in done.stdout
