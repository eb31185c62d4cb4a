"""A small run that can be stopped, with a picture in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.testing import host_with

EPOCHS = 3
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
"""A PNG of one red pixel."""


class Interrupt:
    """Ctrl-C after an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    @hookimpl
    def epoch_finished(self, epoch: int) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


class Draw:
    """Leaves a picture in the run folder."""

    @hookimpl
    def run_finished(self, run: Any) -> None:
        (run.directory / "order.png").write_bytes(PICTURE)


@dataclass
class Night:
    """A tracked run with one control.

    Args:
        folder: the run folder.
        tracker: the section of the recipe.
        plugin: the module of the tracker.
    """

    folder: Path
    tracker: dict[str, Any]
    plugin: Any

    def run(self, stop: int = 0, resume: bool = False, **sections: Any) -> Any:
        """Train it, up to an epoch or to the end."""
        content = {
            "format_version": 1,
            "name": "night",
            "data": {"name": "digits", "batch_size": 600},
            "backbone": {"name": "local", "patch_size": 2, "dim": 8, "depth": 1},
            "order": {"learner": "random-search"},
            "controls": ["fixed-start"],
            "schedule": {"warmup_epochs": EPOCHS},
            "train": {"epochs": EPOCHS, "device": "cpu"},
            "trackers": [{"tags": ["digits"], "files": "pictures", **self.tracker}],
            **sections,
        }
        host = host_with(self.plugin, Draw(), Interrupt(stop))
        return reorder_kit.run(content, out=self.folder, host=host, resume=resume)

    def stopped_and_resumed(self) -> Any:
        """Stop it after the second epoch, then train it to its end."""
        with pytest.raises(KeyboardInterrupt):
            self.run(stop=2)
        return self.run(resume=True)

    def column(self, name: str, control: str = "") -> list[float]:
        """A metric of every epoch, such as ``validation/top1``, from the run folder."""
        folder = self.folder / "controls" / control if control else self.folder
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        part, _, figure = name.partition("/")
        return [line[part][figure] for line in lines]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Night]:
    """Makes runs with a tracker, without writing outside the folder of the test and without a login."""
    monkeypatch.chdir(tmp_path)
    for variable in ("HOME", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "HF_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    for variable in ("WANDB_API_KEY", "WANDB_MODE", "HF_TOKEN", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)

    def make(plugin: Any, **tracker: Any) -> Night:
        return Night(tmp_path / "run", tracker, plugin)

    return make
