"""What a plugin can do: register components, and follow a run.

A plugin is a module (or any object) with functions of certain names, marked with ``hookimpl``. Those that register
components are named after their kind, ``register_orderings`` or ``register_order_learners``, and return a list of
classes; those that follow a run have the names and arguments that are specified here. This is a complete plugin::

    from reorder_kit import hookimpl
    from reorder_kit.interfaces import Ordering

    reorder_kit_api = "1.0"

    class BottomUp(Ordering):
        \"""Rows from the bottom to the top.\"""

        name = "bottom-up"

        def cells(self, height, width):
            return ((row, column) for row in reversed(range(height)) for column in range(width))

    @hookimpl
    def register_orderings():
        return [BottomUp]

Its distribution names the module in the entry-point group ``reorder_kit``::

    [project.entry-points.reorder_kit]
    bottom-up = "my_package.bottom_up"

The module declares in ``reorder_kit_api`` which version of this API it was written for: ``API_VERSION`` at that time. A
plugin written for another major version, or for a newer minor one, is not loaded, and ``list-plugins`` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reorder_kit.interfaces.run_events import Predictions, RunInfo, StepReport
    from reorder_kit.orders.order import Order
    from reorder_kit.runs.epoch_record import EpochRecord
    from reorder_kit.runs.result import RunResult

PROJECT = "reorder_kit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

API_VERSION = "1.0"
"""Of hooks and interfaces, as major.minor. The major number changes with what breaks plugins that follow the
documentation, the minor one with what is added."""


@hookspec
def run_started(run: RunInfo) -> None:
    """A run is about to take its first step, or to go on where it was stopped. Main process only, as all run events."""


@hookspec
def step_finished(run: RunInfo, report: StepReport) -> None:
    """An optimiser step was taken; told at most ten times a second, so that fast steps are not slowed down."""


@hookspec
def order_changed(run: RunInfo, epoch: int, order: Order, spread: float | None) -> None:
    """At the end of an epoch, the best order is another than at the end of the epoch before.

    Where each image has an order of its own, ``order`` is their consensus and ``spread`` their mean Kendall distance to
    it, 0 to 1; no single order is the run's then. ``spread`` is None where one order serves all images.
    """


@hookspec
def epoch_finished(run: RunInfo, epoch: int, record: EpochRecord) -> None:
    """An epoch, counted from 1, was trained and evaluated; ``record`` is its line of ``metrics.jsonl``."""


@hookspec
def run_finished(run: RunInfo, result: RunResult, epochs: Mapping[str, Sequence[EpochRecord]]) -> None:
    """A run has written its ``result.json``, whose content is ``result``.

    ``epochs`` has the lines of ``metrics.jsonl`` by name: of the run itself first, then of each control trained beside
    it.
    """


@hookspec
def predictions_made(directory: Path, predictions: Predictions) -> None:
    """A trained model was asked about some images, at the end of a run or by ``evaluate``.

    ``directory`` is the run folder.
    """
