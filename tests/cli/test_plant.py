"""`data.plant` on the command line: mistakes in it, and a run on scrambled images evaluated on them."""

from __future__ import annotations

import json

import pytest


@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_wrong_plant_is_explained(cli, command):
    done = cli(command, "trial.yaml", "--set", "data.plant={order: randm, seed: 3}")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "error: trial.yaml: 1 mistake",
        "  data.plant.order: there is no ordering 'randm' (did you mean 'random'?)",
    ]


def test_validate_says_that_images_are_scrambled(cli):
    done = cli("validate", "trial.yaml", "--set", "data.plant={order: random, seed: 3}")
    assert "on digits, its patches scrambled by a hidden random order; order from" in done.stdout


def test_a_run_is_evaluated_on_the_images_it_was_trained_on(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("REORDER_KIT_BLOCK", "events.pictures,events.tensorboard")
    sets = ["--set", "data.plant={order: random, seed: 3}", "--set", "controls=[]", "--set", "data.batch_size=100"]
    trained = cli("run", "trial.yaml", *sets, "--json")
    assert trained.exit_code == 0, trained.stderr
    result = json.loads(trained.stdout)
    assert sorted(result["order"]["planted"]["hidden"]) == list(range(16))
    (own,) = json.loads(cli("evaluate", "runs/trial", "--json").stdout)["orders"]
    assert own["metrics"]["loss"] == pytest.approx(result["metrics"]["test"]["loss"], rel=1e-5)
