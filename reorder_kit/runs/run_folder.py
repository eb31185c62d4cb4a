"""Where things are in a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.runs.epoch_record import EpochRecord, read_epochs
from reorder_kit.runs.result import RunResult


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run folder, which is laid out the same for a run and for each control beside it."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def plugins(self) -> Path:
        """The plugins there were."""
        return self.path / "plugins.json"

    @property
    def data(self) -> Path:
        """What was read, and where the names of the images are."""
        return self.path / "data.json"

    @property
    def split_file(self) -> Path:
        """The names of the images of each split, where the run has no others to share them with."""
        return self.path / "split.jsonl.gz"

    @property
    def environment(self) -> Path:
        """Versions, hardware, and the command."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """One line of JSON an epoch."""
        return self.path / "metrics.jsonl"

    @property
    def fitted(self) -> Path:
        """What the task was fitted to, such as a vocabulary."""
        return self.path / "fitted.json"

    @property
    def orders(self) -> Path:
        """The starting order and the order after each epoch."""
        return self.path / "orders"

    @property
    def start_order(self) -> Path:
        """The starting order."""
        return self.orders / "start.json"

    def epoch_order(self, epoch: int) -> Path:
        """The order after an epoch, counted from 1."""
        return self.orders / f"epoch-{epoch:04d}.json"

    def sampled_orders(self, process: int) -> Path:
        """The first order that a process sampled in each epoch."""
        return self.orders / f"sampled-process-{process}.jsonl"

    @property
    def order(self) -> Path:
        """The final order."""
        return self.path / "order.json"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, one folder each."""
        return self.path / "checkpoints"

    @property
    def result(self) -> Path:
        """What came out of it; there only when the run is finished."""
        return self.path / "result.json"

    @property
    def test_scores(self) -> Path:
        """What each test image scores, float32 by number of the image; there only where every image has a score."""
        return self.path / "test_scores.npy"

    @property
    def controls(self) -> Path:
        """The runs trained beside it."""
        return self.path / "controls"

    @property
    def saliency(self) -> Path:
        """What ``reorder-kit saliency`` found; there only where it was asked."""
        return self.path / "saliency.json"

    @property
    def is_finished(self) -> bool:
        """The result is there."""
        return self.result.exists()

    def read_result(self) -> RunResult:
        """The result of a finished run.

        Raises:
            ReorderKitError: if there is none, it is damaged, or it has another format.
        """
        if not self.is_finished:
            raise ReorderKitError(f"{self.path} holds no finished run", "go on with: reorder-kit run RECIPE --resume")
        return RunResult.read(self.result)

    def read_epochs(self) -> list[EpochRecord]:
        """What was written down after each epoch.

        Raises:
            ReorderKitError: if the file is missing or damaged.
        """
        return read_epochs(self.metrics)

    @property
    def beside(self) -> dict[str, RunFolder]:
        """The runs that were trained beside it, by the name of the control."""
        return {
            path.name: RunFolder(path) for path in sorted(self.controls.glob("*")) if RunFolder(path).metrics.exists()
        }

    def latest_checkpoint(self) -> Path | None:
        """The newest complete checkpoint; an unfinished one has another name."""
        complete = sorted(self.checkpoints.glob("epoch-*")) if self.checkpoints.exists() else []
        return complete[-1] if complete else None
