"""Small trained runs of every task that predicts, on small image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

import reorder_kit
from reorder_kit.data.data_loading import load_batch
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.experiment.recorded_data import reopen_data
from reorder_kit.testing import host_with
from small_data import SMALL

HOST = host_with()
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "classification": ("image-folder", {}),
    "multi-label": ("multi-label-csv", {}),
    # Boxes above the usual thresholds would need an hour of training.
    "detection": ("coco-detection", {"score_threshold": 0.0, "detections_per_image": 7}),
    "segmentation": ("segmentation-folder", {}),
}
"""The data source of each task, and its options."""


class PredictionRun(NamedTuple):
    """A run, and its test images as the data layer reads them.

    Args:
        folder: of the run.
        data: the folder of its images.
    """

    folder: Path
    data: Path

    def by_hand(self) -> tuple[list[str], Any, Any]:
        """The files of the test images, the batch of all of them, and the model's output for it."""
        run = LoadedRun.open(self.folder, HOST)
        samples = reopen_data(run.experiment, run.folder).splits.test
        batch = load_batch(samples, run.context.kind, "test", range(len(samples)))
        with torch.no_grad():
            outputs = run.evaluated_model(batch).outputs
        return [str(self.data / samples.identity(index).name) for index in range(len(samples))], batch, outputs


def train(task: str, home: Path, **data_options: Any) -> PredictionRun:
    """Train for an epoch."""
    source, options = TASKS[task]
    data = home / "data"
    data.mkdir()
    content = {
        "format_version": 1,
        "name": "small",
        "data": {"name": source, **_plain(SMALL[source](data)), "batch_size": 16, **data_options},
        "backbone": {"name": "local", "patch_size": 2, "dim": 8, "depth": 1, "window": 2, "heads": 2},
        "task": {"name": task, **options},
        "train": {"epochs": 1, "device": "cpu"},
    }
    reorder_kit.run(content, out=home / "run", host=HOST)
    return PredictionRun(home / "run", data)


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
