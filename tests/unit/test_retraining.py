"""Search first, then train new weights in the order that was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import reorder_kit
from reorder_kit.compose import compose
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.grid import Grid
from reorder_kit.interfaces import LearnerContext
from reorder_kit.order_learners.softsort import SoftSort
from reorder_kit.patch_order import Order
from reorder_kit.plugin_manager import PluginHost
from reorder_kit.progress import Progress
from reorder_kit.run_folder import RunFolder
from reorder_kit.training.retraining import check_parts, part_of_run

# Steps so small that no order changes: what is left of a search are the weights that were trained in it.
STILL_SOFTSORT = {"name": "softsort", "lr": 1e-9}
STILL_REINFORCE = {"name": "reinforce", "lr": 1e-9, "groups": 4, "temperature": {"shape": "constant", "peak": 1.0}}


def policy_of(**options: Any) -> Any:
    learner = SoftSort(SoftSort.Options(**options))
    return learner.build_policy(LearnerContext(Order(torch.arange(4)), Grid(2, 2), 3))


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
    host = PluginHost(third_party=False, blocked=["events.pictures", "events.tensorboard"])
    reorder_kit.run(recipe, out=out, host=host)
    return RunFolder(out)


def weights(folder: RunFolder, name: str = "model") -> dict[str, torch.Tensor]:
    checkpoint = folder.latest_checkpoint()
    assert checkpoint is not None
    return load_file(checkpoint / f"{name}.safetensors")


def test_each_part_has_steps_and_epochs_of_its_own() -> None:
    policy = policy_of(warmup_epochs=1, search_epochs=2, search="then-retrain")
    parts = [part_of_run(policy, Progress(step, 5, 10)) for step in (0, 14, 15, 49)]
    assert [(part.step, part.epochs) for part in parts] == [(0, 3), (14, 3), (0, 7), (34, 7)]


def test_a_run_in_one_part_is_left_as_it_is() -> None:
    progress = Progress(20, 5, 10)
    assert part_of_run(policy_of(warmup_epochs=1, search_epochs=2), progress) is progress


def test_the_search_takes_whole_epochs() -> None:
    policy = policy_of(warmup_epochs=0.5, search_epochs=1.1, search="then-retrain")
    assert policy.retrain_step(Progress(0, 10, 8)) == 20
    phases = []
    for step in (4, 5, 19, 20):
        policy.advance(Progress(step, 10, 8))
        phases.append(policy.phase)
    assert phases == ["warm-up", "search", "search", "hardened"]


def test_a_search_that_leaves_no_epoch_is_refused() -> None:
    policy = policy_of(warmup_epochs=2, search_epochs=6, search="then-retrain")
    with pytest.raises(ReorderKitError, match="the search takes all of the 8 epochs") as error:
        check_parts(policy, Progress(0, 5, 8))
    assert "order.learner.search_epochs" in (error.value.hint or "")
    check_parts(policy, Progress(0, 5, 9))


def test_compose_refuses_it_before_anything_is_loaded() -> None:
    content = {
        "format_version": 1,
        "name": "parts",
        "data": "digits",
        "backbone": {"name": "local", "patch_size": 2},
        "order": {"learner": {"name": "softsort", "warmup_epochs": 1, "search_epochs": 2.5, "search": "then-retrain"}},
        "train": {"epochs": 4},
    }
    host = PluginHost(third_party=False)
    with pytest.raises(RecipeError, match="leaves none of the 4 epochs") as error:
        compose(content, host, "test")
    assert [problem.path for problem in error.value.problems] == ["order.learner.search_epochs"]
    compose({**content, "train": {"epochs": 5}}, host, "test")


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
    # 4 steps an epoch; linear from 0.01 to 0 over 8 steps, then over 12: the last step of an epoch is written down.
    expected = [0.01 * (1 - 3 / 7), 0.0, 0.01 * (1 - 3 / 11), 0.01 * (1 - 7 / 11), 0.0]
    assert [line["train"]["lr"] for line in lines] == pytest.approx(expected)
    assert [line["phase"] for line in lines] == ["search"] * 2 + ["hardened"] * 3
