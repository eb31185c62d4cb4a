"""Races on data in which two of nine patches determine the class, and trials without training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape, Sample
from reorder_kit.race import worker
from reorder_kit.race.run_race import RaceRun
from reorder_kit.runs.trial_files import write_trial
from reorder_kit.runs.trial_record import TrialRecord
from reorder_kit.testing import host_with
from reorder_kit.training.trial import TrialResult

TELLING = (1, 5)
"""The patches that together determine the class."""


class TwoPatches(DataSource):
    """Noise in nine patches; two of them are bright or dark, which makes four classes."""

    name = "two-patches"
    target_kinds = (CLASS,)
    image = ImageShape(1, 6, 6)

    def open(self, seed: int) -> DataSplits:
        splits = [Noise(count, place) for place, count in enumerate((160, 60, 60))]
        return DataSplits(self.image, list("abcd"), *splits)


class Noise:
    """Images of three by three patches."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randn(count, 1, 6, 6, generator=generator) / 4
        for number, image in enumerate(self.images):
            for bit, patch in enumerate(TELLING):
                row, column = divmod(patch, 3)
                image[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] += 1 if number >> bit & 1 else -1

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.images[index], index % 4)


def race_host() -> PluginHost:
    """The built-in plugins and this data."""
    return host_with(TwoPatches)


def race_recipe(**sections: Any) -> dict[str, Any]:
    """Two of nine slots reach the readout."""
    backbone = {"name": "local", "patch_size": 2, "window": 1, "depth": 1, "dim": 8, "heads": 2}
    return {
        "format_version": 1,
        "name": "planted",
        "data": {"name": "two-patches", "batch_size": 80},
        "backbone": {**backbone, "causal": True, "readout": "last"},
        "optimizer": {"lr": 3e-2},
        "train": {"steps": 60, "device": "cpu"},
        **sections,
    }


def opened_race(out: Path, budget: float = 4, seeds: int = 0, **options: Any) -> RaceRun:
    """A race on this data."""
    return RaceRun.open(race_recipe(), "planted", race_host(), budget, seeds, out=out, **options)


class FakeTrials:
    """A stand-in for short trainings: the loss is a function of the order; counts the trainings.

    Args:
        loss: of an order, as a list of patches.
        seconds: duration of each.
    """

    def __init__(self, loss: Callable[[list[int]], float], seconds: float = 0.0) -> None:
        self.loss, self.seconds = loss, seconds
        self.trained: list[str] = []
        self.fails_after = 10**9
        self.workers: set[int] = set()

    def install(self, monkeypatch: Any) -> FakeTrials:
        """Train nothing from now on."""
        monkeypatch.setattr(worker, "run_trial", self)
        return self

    def __call__(
        self, experiment: Any, order: Any, seed: int, steps: int, folder: Path, host: Any, judged: Any
    ) -> TrialResult:
        if len(self.trained) >= self.fails_after:
            raise ReorderKitError("the trial failed", "try again")
        self.trained.append(folder.name)
        self.workers.add(threading.get_ident())
        time.sleep(self.seconds)
        indices = order.indices.tolist()
        losses = np.full(5, self.loss(indices), np.float32) + np.arange(5, dtype=np.float32)
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").touch()
        record = TrialRecord(
            order=indices,
            seed=seed,
            steps=steps,
            judged=judged.words,
            images=5,
            headline="top1",
            score=0.5,
            loss=float(losses.mean()),
            seconds=1.0,
            files={},
        )
        write_trial(folder, record, losses)
        return TrialResult(losses, 0.5, 1.0)
