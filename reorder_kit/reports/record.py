"""A run folder as read for its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reorder_kit.analysis.saliency_files import read_saliency
from reorder_kit.analysis.saliency_record import SaliencyRecord
from reorder_kit.controls import BUILT_IN
from reorder_kit.interfaces import InRunControl
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.recipe.recipe import NO_CONTROL
from reorder_kit.runs.environment import Environment
from reorder_kit.runs.epoch_record import EpochRecord, read_epochs
from reorder_kit.runs.result import RunResult
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.statistics.headline import Headline


@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Args:
        folder: its folder.
        result: its result.
        epochs: the record of each epoch.
        recipe: the resolved recipe.
        environment: its software and hardware.
        grid: the grid of patches.
        start: the order it started from.
        final: its final order; a consensus if each image has its own.
        spread: the mean Kendall distance of the images' orders to a consensus; None without one.
    """

    folder: RunFolder
    result: RunResult
    epochs: Sequence[EpochRecord]
    recipe: Mapping[str, Any]
    environment: Environment
    grid: Grid
    start: Order
    final: Order
    spread: float | None = None

    @classmethod
    def read(cls, folder: RunFolder) -> RunRecord:
        """Read a run folder.

        Raises:
            ReorderKitError: if the run is not finished, or one of its files is missing or damaged.
        """
        result = folder.read_result()
        stored = folder.read_order()
        folder.read_data()  # checks that this record is intact, even if the data itself is no longer available
        return cls(
            folder,
            result,
            folder.read_epochs(),
            read_recipe_file(folder.recipe),
            folder.read_environment(),
            stored.grid,
            folder.read_start(),
            stored.order,
            stored.spread,
        )

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.result.name

    @property
    def headline(self) -> str:
        """The name of the headline metric."""
        return self.result.headline

    @property
    def metric(self) -> Headline:
        """The headline metric with its direction."""
        return self.result.metric

    @property
    def score(self) -> float:
        """The headline metric on test images."""
        return self.result.score

    @property
    def seed(self) -> int:
        """The seed of weights, batches and all other random numbers."""
        return int(self.recipe["seed"])

    @property
    def own_control(self) -> str | None:
        """The control that the run itself is; None for an ordinary run."""
        name = self.recipe["order"].get("control", NO_CONTROL)
        return None if name == NO_CONTROL else str(name)

    @property
    def learner(self) -> str | None:
        """The learner that could change the order; None if there is none."""
        control = BUILT_IN.get(self.own_control) if self.own_control is not None else None
        section = self.recipe["order"].get("learner")
        if section is None or (isinstance(control, InRunControl) and not control.keeps_learner):
            return None
        return str(section["name"])

    @property
    def has_learner(self) -> bool:
        """Whether a learner could change the order."""
        return self.learner is not None

    @property
    def slots(self) -> SlotsRead:
        """The numbers of slots and patches that are read."""
        return self.result.order.reach.slots_read

    @property
    def is_selection(self) -> bool:
        """Whether some patches cannot reach the readout, so that the order selects patches."""
        return self.slots.is_selection

    @property
    def influence(self) -> Sequence[float]:
        """The share of each slot in the gradient of the loss; empty if that does not apply."""
        return self.result.order.influence or []

    def search(self) -> RunRecord:
        """The run with the epochs in which its learner searched: its own, or those of a separate search before it.

        Raises:
            ReorderKitError: if a file of that search is missing or damaged.
        """
        before = RunFolder(self.folder.search)
        if self.result.validated is None or not before.path.exists():
            return self
        return replace(self, folder=before, epochs=read_epochs(before.intact(before.metrics)))

    def controls(self) -> dict[str, RunRecord]:
        """Its trained controls, as the result names them; those with missing folders are left out.

        Raises:
            ReorderKitError: if one is damaged, or belongs to another run.
        """
        beside = {name: RunFolder(self.folder.controls / name) for name in self.result.controls}
        return {name: self._control(folder) for name, folder in beside.items() if folder.path.exists()}

    def _control(self, folder: RunFolder) -> RunRecord:
        self.folder.intact(folder.result)
        return RunRecord.read(folder)

    def orders(self) -> dict[int, Order]:
        """The order after each epoch; 0 is the start.

        Raises:
            ReorderKitError: if one is missing or damaged.
        """
        return {0: self.start, **{each.epoch: self.folder.read_epoch_order(each).order for each in self.epochs}}

    def saliency(self) -> SaliencyRecord | None:
        """The results of ``reorder-kit saliency``; None if it was not used.

        Raises:
            ReorderKitError: if the file is damaged or belongs to another run.
        """
        return read_saliency(self.folder, self.result)
