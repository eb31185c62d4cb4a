"""A finished run, in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reorder_kit.api import notebook
from reorder_kit.cli._tables import run_table
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.orders.order import Order
from reorder_kit.runs.result import ControlResult, RunMetrics, RunResult
from reorder_kit.runs.run_folder import RunFolder


@dataclass(frozen=True, repr=False, eq=False)
class FinishedRun(os.PathLike[str]):
    """The result of a run and its folder. It can be used wherever a path to that folder is expected.

    Notebooks show the headline metric, that of the controls, and notes on how to read the figures.

    Args:
        folder: the run folder.
        result: the content of its ``result.json``.
        notes: sentences on how to read the figures.
        warnings: the warnings that were issued.
    """

    folder: Path
    result: RunResult
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.result.name

    @property
    def score(self) -> float:
        """The headline metric on test images."""
        return self.result.score

    @property
    def metrics(self) -> RunMetrics:
        """The figures of the test and validation splits after the last epoch."""
        return self.result.metrics

    @property
    def controls(self) -> Mapping[str, ControlResult]:
        """The results of the controls by name, in the order of the recipe."""
        return self.result.controls

    @property
    def order(self) -> Order:
        """The run's final order; the consensus if each image has its own.

        ``result.order`` has details.

        Raises:
            ReorderKitError: if its file is missing or damaged.
        """
        return RunFolder(self.folder).read_order().order

    @property
    def start(self) -> Order:
        """The order that the run started from.

        Raises:
            ReorderKitError: if its file is missing or damaged.
        """
        return RunFolder(self.folder).read_start()

    @cached_property
    def model(self) -> OrderedModel:
        """The trained model in evaluation mode on the CPU, built with the installed plugins.

        Raises:
            ReorderKitError: as for :func:`reorder_kit.load_run`.
        """
        return LoadedRun.open(self.folder).model

    def as_dict(self) -> dict[str, Any]:
        """The content of ``result.json``."""
        return self.result.as_dict()

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        beside = "".join(f", {each.name} {each.score:.3f}" for each in self.result.compared_controls)
        return f"<{self.name}: test {self.result.metric} {self.score:.3f}{beside}; {self.folder}>"

    def _repr_html_(self) -> str:
        return notebook.together(
            notebook.table(*run_table(self.result)),
            notebook.listing(self.notes),
            notebook.warned(self.warnings),
            self._drawn_order(),
            notebook.folder(self.folder),
        )

    def _drawn_order(self) -> Markup:
        with suppress(ReorderKitError):  # the folder may be gone, but the figures are still valid
            return Markup(self.order._repr_html_())
        return Markup("")
