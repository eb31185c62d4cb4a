"""Where things are in a run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.statistics.headline import Headline

RESULT_VERSION = 1
CHECKPOINT_VERSION = 1


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
    def is_finished(self) -> bool:
        """The result is there."""
        return self.result.exists()

    def read_result(self) -> dict[str, Any]:
        """The result of a finished run.

        Raises:
            ReorderKitError: if there is none, it is damaged, or it has another format.
        """
        if not self.is_finished:
            raise ReorderKitError(f"{self.path} holds no finished run", "go on with: reorder-kit run RECIPE --resume")
        return _read_versioned(self.result, RESULT_VERSION)

    def latest_checkpoint(self) -> Path | None:
        """The newest complete checkpoint; an unfinished one has another name."""
        complete = sorted(self.checkpoints.glob("epoch-*")) if self.checkpoints.exists() else []
        return complete[-1] if complete else None


@dataclass(frozen=True)
class ComparedControl:
    """A control and the run it stands beside, by the headline metric on test images.

    Args:
        name: of the control.
        words: what it is.
        figures: its test metrics.
        score: its headline.
        own: the headline of the run on the same images.
        ahead: by how much the run is better.
        validation: the headline on validation images; None of a control that is only evaluated.
    """

    name: str
    words: str
    figures: Mapping[str, Any]
    score: float
    own: float
    ahead: float
    validation: float | None

    @property
    def is_evaluated(self) -> bool:
        """It was not trained."""
        return self.validation is None


def compared_controls(result: Mapping[str, Any]) -> list[ComparedControl]:
    """The controls of a result that have figures, in the order of the recipe."""
    metric = Headline.of(result)
    headline = metric.name
    found = []
    for name, control in result["controls"].items():
        if "metrics" in control:
            figures = control["metrics"]["test"]
            own = float(control.get("own", result["metrics"])["test"][headline])
            validation = control["metrics"].get("validation", {}).get(headline)
            score = float(figures[headline])
            ahead = metric.gain(own, score)
            found.append(ComparedControl(name, control["words"], figures, score, own, ahead, validation))
    return found


def left_out_controls(result: Mapping[str, Any]) -> dict[str, str]:
    """The controls of a result that could not be evaluated, and why."""
    return {name: control["left_out"] for name, control in result["controls"].items() if "left_out" in control}


def read_facts(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: epoch, classes, image shape, figures.

    Raises:
        ReorderKitError: if it is damaged, or has another format.
    """
    return _read_versioned(checkpoint / "state.json", CHECKPOINT_VERSION)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a kill at any moment leaves it as it was or as it shall be."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _read_versioned(path: Path, version: int) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReorderKitError(f"{path}: cannot be read: {error}") from None
    if content.get("format_version") != version:
        raise ReorderKitError(f"{path}: format_version {content.get('format_version')!r} is not {version}")
    return content
