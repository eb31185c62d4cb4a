"""Search first, then train new weights in the order that was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import reorder_kit
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Phases
from reorder_kit.interfaces.progress import Progress
from reorder_kit.recipe.settings import TrainSettings
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.retraining import check_phases, part_of_run
from reorder_kit.training.trainer import Trainer

# Steps so small that no order changes: the only result of the search are the trained weights.
STILL_SOFTSORT = {"name": "softsort", "lr": 1e-9}
STILL_REINFORCE = {"name": "reinforce", "lr": 1e-9, "groups": 4, "temperature": {"shape": "constant", "peak": 1.0}}


def recipe(**learner: Any) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "parts",
        "data": {"name": "digits", "batch_size": 300},
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
        "order": {"learner": {"name": "softsort", "search": "then-retrain", **learner}},
        "train": {"epochs": 4, "device": "cpu"},
    }


def train(out: Path, learner: dict[str, Any], epochs: int = 4, **train_settings: Any) -> RunFolder:
    recipe = {
        "format_version": 1,
        "name": "parts",
        "data": {"name": "digits", "batch_size": 300},
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
        "order": {"learner": {"warmup_epochs": 0, "search_epochs": 2, **learner}},
        "optimizer": {"lr": 0.01},
        "schedule": {"warmup_epochs": 0, "shape": "linear", "min_ratio": 0.0},
        "train": {"epochs": epochs, "device": "cpu", **train_settings},
    }
    host = host_with()
    reorder_kit.run(recipe, out=out, host=host)
    return RunFolder(out)


def weights(folder: RunFolder, name: str = "model") -> dict[str, torch.Tensor]:
    checkpoint = folder.latest_checkpoint()
    assert checkpoint is not None
    return load_file(checkpoint / f"{name}.safetensors")


def test_each_part_has_steps_and_epochs_of_its_own() -> None:
    parts = [part_of_run(Phases(1, 2, retrains=True), Progress(step, 5, 10)) for step in (0, 14, 15, 49)]
    assert [(part.step, part.epochs) for part in parts] == [(0, 3), (14, 3), (0, 7), (34, 7)]


def test_a_run_in_one_part_is_left_as_it_is() -> None:
    progress = Progress(20, 5, 10)
    assert part_of_run(Phases(1, 2), progress) is progress


def test_a_search_that_leaves_no_epoch_is_refused() -> None:
    with pytest.raises(ReorderKitError, match="the search takes all of the 8 epochs") as error:
        check_phases(lambda epochs: Phases(2, 6, retrains=True), TrainSettings(epochs=8), 5)
    assert "raise train.epochs" in (error.value.hint or "")
    check_phases(lambda epochs: Phases(2, 6, retrains=True), TrainSettings(epochs=9), 5)
    with pytest.raises(ReorderKitError) as error:
        check_phases(lambda epochs: Phases(2, 6, retrains=True), TrainSettings(steps=40), 5)
    assert "raise train.steps" in (error.value.hint or "")


# 15% and half of 4 epochs: 0.6 and 2. With one or two epochs, nothing would be left.
@pytest.mark.parametrize(
    ("learner", "epochs"),
    [
        ({"warmup_epochs": 1, "search_epochs": 2.5}, 4),
        ({"search_epochs": 3}, 4),
        ({"warmup_epochs": 2}, 4),
        ({}, 2),
        ({}, 1),
    ],
)
def test_compose_refuses_what_the_trainer_would(learner: dict[str, Any], epochs: int) -> None:
    host = PluginHost(third_party=False)
    content = {**recipe(**learner), "train": {"epochs": epochs, "device": "cpu"}}
    with pytest.raises(RecipeError, match=f"takes all of the {epochs} epochs?, which leaves none") as error:
        compose(content, host, "test")
    assert [problem.path for problem in error.value.problems] == ["order.learner"]
    fits = compose({**content, "train": {"epochs": 7}}, host, "test")
    check_phases(fits.phases, fits.recipe.train, 5)


def test_a_control_without_the_learner_has_no_search_that_could_be_too_long() -> None:
    content = recipe(search_epochs=60)
    content["order"]["control"] = "random-fixed"
    experiment = compose(content, PluginHost(third_party=False), "test")
    assert experiment.phases(4).retrain_epoch is None


def test_nothing_is_left_of_the_weights_of_the_search(tmp_path: Path) -> None:
    retrained = [
        train(tmp_path / name, {**learner, "search": "then-retrain"}, ema_decay=0.9)
        for name, learner in [("soft", STILL_SOFTSORT), ("hard", STILL_REINFORCE)]
    ]
    orders = [json.loads(folder.order.read_text())["order"] for folder in retrained]
    assert orders == [list(range(16))] * 2
    for name in ("model", "ema"):
        one, other = (weights(folder, name) for folder in retrained)
        assert all(torch.equal(one[key], other[key]) for key in one)

    trained_on = [
        train(tmp_path / f"{name}-on", learner)
        for name, learner in [("soft", STILL_SOFTSORT), ("hard", STILL_REINFORCE)]
    ]
    one, other = map(weights, trained_on)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_the_step_size_runs_through_its_schedule_twice(tmp_path: Path) -> None:
    folder = train(tmp_path / "run", {**STILL_SOFTSORT, "search": "then-retrain"}, epochs=5)
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    # 4 steps per epoch; linear from 0.01 to 0 over 8 steps, then over 12: the last step of an epoch is recorded.
    expected = [0.01 * (1 - 3 / 7), 0.0, 0.01 * (1 - 3 / 11), 0.01 * (1 - 7 / 11), 0.0]
    assert [line["train"]["lr"] for line in lines] == pytest.approx(expected)
    assert [line["phase"] for line in lines] == ["search"] * 2 + ["hardened"] * 3


# 15% of 60 epochs are 9: with a search of 55 nothing is left, with one of half the run 21.
@pytest.mark.parametrize(("learner", "is_refused"), [({"search_epochs": 55}, True), ({"warmup_epochs": None}, False)])
def test_validate_and_run_agree_on_phases_that_are_shares_of_the_run(
    learner: dict[str, Any], is_refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TrainsError(Exception):
        pass

    def train(trainer: Trainer) -> None:
        raise TrainsError

    monkeypatch.setattr(Trainer, "train", train)
    content = {**recipe(**learner), "train": {"epochs": 60, "device": "cpu"}}
    host = PluginHost(third_party=False)
    if is_refused:
        with pytest.raises(RecipeError, match="takes all of the 60 epochs"):
            compose(content, host, "test")
        monkeypatch.setattr("reorder_kit.experiment.compose.misfits_of_phases", lambda experiment: [])
    with pytest.raises(ReorderKitError if is_refused else TrainsError):
        reorder_kit.run(content, out=tmp_path / "run", host=host)
    assert (tmp_path / "run").exists() != is_refused
