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
    """What came out of a run, and where it is. It stands for its folder wherever a path is expected.

    In a notebook it shows itself: the headline metric beside that of the controls, and what has to be known to read it.

    Args:
        folder: the run folder.
        result: the content of its ``result.json``.
        notes: what has to be known to read the figures, in sentences.
        warnings: what was warned of.
    """

    folder: Path
    result: RunResult
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the run."""
        return self.result.name

    @property
    def score(self) -> float:
        """The headline metric on test images."""
        return self.result.score

    @property
    def metrics(self) -> RunMetrics:
        """Figures of the test and the validation split after the last epoch."""
        return self.result.metrics

    @property
    def controls(self) -> Mapping[str, ControlResult]:
        """What came out of the controls beside it, by name, in the order of the recipe."""
        return self.result.controls

    @property
    def order(self) -> Order:
        """The order that the run ended with; the consensus, where each image has its own.

        ``result.order`` says what is known of it.

        Raises:
            ReorderKitError: if its file is gone or damaged.
        """
        return RunFolder(self.folder).read_order().order

    @property
    def start(self) -> Order:
        """The order that the run started from.

        Raises:
            ReorderKitError: if its file is gone or damaged.
        """
        return RunFolder(self.folder).read_start()

    @cached_property
    def model(self) -> OrderedModel:
        """The trained model, in evaluation mode, on the CPU, built with the installed plugins.

        Raises:
            ReorderKitError: as :func:`reorder_kit.load_run`.
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
        with suppress(ReorderKitError):  # the folder may be gone, and the figures are still what they are
            return Markup(self.order._repr_html_())
        return Markup("")
