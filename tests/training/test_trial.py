"""Short trainings from scratch that judge orders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import DataSplits, SampleSet
from reorder_kit.orders.order import Order
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.judged_images import JudgedImages, judged_images
from reorder_kit.training.trainer import Trainer
from reorder_kit.training.trial import _shortened, run_trial

ROW = Order.identity(16)
BACK = Order(torch.arange(15, -1, -1), 16)


def experiment_of(**sections: Any) -> Experiment:
    recipe = {
        "format_version": 1,
        "name": "trial",
        "data": {"name": "digits", "batch_size": 300},
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
        "train": {"epochs": 20, "device": "cpu"},
        **sections,
    }
    return compose(recipe, host_with(), "test")


class Unread:
    """Test images that must not be read."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("a trial read the test split")

    view = target = identity = __getitem__


def judged_of(experiment: Experiment) -> JudgedImages:
    splits: DataSplits = replace(experiment.open_data(), test=Unread())
    return judged_images(experiment, splits)


def images(samples: SampleSet) -> list[bytes]:
    return [samples[index].image.numpy().tobytes() for index in range(len(samples))]


def test_few_validation_images_are_joined_by_a_fifth_of_the_training_images() -> None:
    experiment = experiment_of()
    splits, judged = experiment.open_data(), judged_of(experiment)
    assert (judged.images, judged.aside, len(judged.splits.train)) == (340, 240, 960)
    shown, kept = images(judged.splits.validation), images(judged.splits.train)
    assert sorted(shown[100:] + kept) == sorted(images(splits.train))
    assert shown[:100] == images(splits.validation)
    assert "100 validation images and 240 training images (20% of them), which are set aside" in judged.words
    assert images(judged_of(experiment).splits.train) == kept


def test_many_validation_images_are_enough() -> None:
    judged = judged_of(experiment_of(data={"name": "digits", "validation_images": 1000}))
    assert (judged.images, judged.aside, len(judged.splits.train)) == (1000, 0, 300)
    assert judged.words == "1000 validation images"


def test_a_trial_is_trained_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, host = experiment_of(), host_with()
    judged = judged_of(experiment)
    found = run_trial(experiment, BACK, 3, 6, tmp_path / "trial", host, judged)
    assert found.losses.shape == (340,)
    assert 0 <= found.score <= 1
    assert len({*found.losses.tolist()}) > 300
    assert not RunFolder(tmp_path / "trial").checkpoints.exists()

    def train(trainer: Trainer) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(Trainer, "train", train)
    again = run_trial(experiment, BACK, 3, 6, tmp_path / "trial", host, judged)
    assert np.array_equal(again.losses, found.losses)
    assert (again.score, again.seconds) == (found.score, found.seconds)
    for order, seed, steps, what in [(ROW, 3, 6, "the order"), (BACK, 4, 6, "seed"), (BACK, 3, 7, "train.steps")]:
        with pytest.raises(ReorderKitError, match=f"holds another trial; different: .*{what}"):
            run_trial(experiment, order, seed, steps, tmp_path / "trial", host, judged)
    (tmp_path / "trial" / "losses.npy").write_bytes(b"spoiled")
    with pytest.raises(ReorderKitError, match=r"losses\.npy: is damaged"):
        run_trial(experiment, BACK, 3, 6, tmp_path / "trial", host, judged)


def test_a_stopped_trial_goes_on_as_if_it_had_not_been_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, host = experiment_of(), host_with()
    judged = judged_of(experiment)
    whole = run_trial(experiment, BACK, 3, 10, tmp_path / "whole", host, judged)
    finish, ended = Trainer._finish_epoch, []

    def stop(trainer: Trainer, *given: Any) -> None:
        finish(trainer, *given)
        ended.append(1)
        if len(ended) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_finish_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            run_trial(experiment, BACK, 3, 10, tmp_path / "stopped", host, judged)
    with pytest.raises(ReorderKitError, match="holds another trial; different: the order"):
        run_trial(experiment, ROW, 3, 10, tmp_path / "stopped", host, judged)
    resumed = run_trial(experiment, BACK, 3, 10, tmp_path / "stopped", host, judged)
    assert np.array_equal(resumed.losses, whole.losses)


def test_orders_differ_and_all_else_is_the_same(tmp_path: Path) -> None:
    # Full attention without slot positions reads any order alike, so the paired difference is zero.
    backbone = {"name": "vit", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1}
    experiment, host = experiment_of(backbone=backbone), host_with()
    judged = judged_of(experiment)
    row, back = (
        run_trial(experiment, order, 0, 4, tmp_path / name, host, judged)
        for name, order in [("row", ROW), ("back", BACK)]
    )
    assert np.allclose(row.losses, back.losses, atol=1e-4)


def test_the_schedule_is_squeezed_and_not_cut_off() -> None:
    experiment = experiment_of(
        schedule={"warmup_epochs": 5, "hold_epochs": 2.5},
        train={"epochs": 20, "device": "cpu", "ema_decay": 0.99},
        order={"learner": "softsort"},
    )
    judged = judged_of(experiment)
    short = _shortened(experiment, judged, 8, 20, processes=1)
    # 4 steps an epoch in both: 80 steps are 20, so 20 warm-up steps are 5, or 1.25 epochs.
    assert short.recipe.schedule.warmup_epochs == pytest.approx(1.25)
    assert short.recipe.schedule.hold_epochs == pytest.approx(0.625)
    assert short.recipe.train.ema_decay == pytest.approx(0.99**4)
    assert (short.recipe.train.steps, short.recipe.seed, short.learner) == (20, 8, None)
