"""The command ``reorder-kit race``."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from rich.console import Console

from race_cases import FakeTrials
from reorder_kit.cli._race_progress import RaceProgress
from reorder_kit.race.plan import RacePlan, Rung


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--budget", "0"], "error: the budget of 0 full training runs is out of range"),
        (["--budget", "-2"], "error: the budget of -2 full training runs is out of range"),
        (["--budget", "nan"], "error: the budget of nan full training runs is out of range"),
        (["--seeds", "-1"], "error: --seeds -1: give 0 to 1,000 fresh seeds"),
        (["--submit"], "error: --submit needs the number of workers"),
        (["--submit-option", "a=1"], "error: --submit-option has no effect without --submit"),
        (["--set", "order.control=random-fixed", "--set", "controls=[]"], "error: order.control: a race needs"),
        (["--order", "nowhere.json"], "error: nowhere.json: No such file or directory"),
        (["--budget", "0.5"], "error: a budget of 0.5 is"),
    ],
)
def test_what_cannot_be_raced_is_refused_in_words(cli, arguments, told):
    done = cli("race", "trial.yaml", "--dry-run", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_race_says_its_cost_before_and_its_winner_after(cli, monkeypatch):
    fake = FakeTrials(lambda indices: indices.index(7) / 10).install(monkeypatch)
    asked = ["race", "trial.yaml", "--set", "train.epochs=30", "--budget", "2", "--seeds", "0", "--out", "race"]
    planned = cli(*asked, "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert fake.trained == []
    assert "race: a budget of 2 full training runs of 60 steps" in planned.stdout
    assert "softsort is not used" in planned.stdout
    assert "rung 1: 6 orders, 1 seed, 20 steps: 2 full training runs" in planned.stdout
    done = cli(*asked)
    assert done.exit_code == 0, done.stderr
    assert len(fake.trained) == 6
    assert "judging by the first trial, the race takes" in done.stderr
    result = json.loads(cli(*asked, "--json").stdout)
    assert f"{result['winner']} wins." in done.stdout
    assert "order.start: {race: race}" in done.stdout
    assert result["order"].index(7) == min(json.loads(line)["order"].index(7) for line in trials())


def trials():
    from pathlib import Path

    return [path.read_text() for path in Path("race/trials").glob("*/trial.json")]


def test_progress_says_what_the_race_costs_in_seconds_once_a_trial_is_timed():
    written = io.StringIO()
    plan = RacePlan(100, (Rung(10, 2, 1, 0, 2),))
    setup = SimpleNamespace(plan=plan)
    first = SimpleNamespace(setup=setup, seconds_of_a_step=None, steps=120, steps_done=0, seeds=1, stage="rung 1")
    timed = SimpleNamespace(**{**vars(first), "seconds_of_a_step": 0.5, "steps_done": 10})
    with RaceProgress(Console(file=written, width=200), first) as progress:
        progress.tell(first)
        progress.tell(timed)
        progress.tell(timed)
    assert written.getvalue().splitlines() == [
        "0% rung 1",
        "judging by the first trial, the race takes 10 seconds of training on one worker, with the proof 60 seconds",
        "8% rung 1",
    ]
