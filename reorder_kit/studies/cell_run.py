"""A run of a study as a unit of work: its outcome is recorded in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.failure_note import forget_failure, note_failure
from reorder_kit.jobs.one_run import train_in_folder
from reorder_kit.jobs.work import Failure
from reorder_kit.studies.cells import Cell


@dataclass(frozen=True, eq=False)
class CellRun:
    """A run to be trained.

    Args:
        cell: the cell of the study.
        recipe: its recipe, as plain data.
        folder: its run folder.
        splits: the folder with the names of images, shared by runs with the same data; None if it shares none.
        is_smoke: train only a few steps.
    """

    cell: Cell
    recipe: Mapping[str, Any]
    folder: Path
    splits: Path | None = None
    is_smoke: bool = False

    def __str__(self) -> str:
        return str(self.cell)

    def train(self, host: PluginHost) -> None:
        """Train or continue the run. A failure is recorded in its folder, since the caller may no longer be waiting."""
        forget_failure(self.folder)
        try:
            train_in_folder(self.recipe, self.folder, host, str(self.folder), self.splits, self.is_smoke)
        except Exception as error:  # including errors of plugins
            note_failure(self.folder, Failure.of(error))
