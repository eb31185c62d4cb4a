"""The hooks for plugins, which can register components and follow runs.

A plugin is a module (or any object) with functions that have certain names and are marked with ``hookimpl``. Functions
that register components are named after their kind, such as ``register_orderings`` or ``register_order_learners``, and
return a list of classes. Functions that follow a run have the names and arguments specified here. This is a complete
plugin::

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
    """A run is about to take its first step, or to resume. Like all run events, it is sent only in the main process."""


@hookspec
def step_finished(run: RunInfo, report: StepReport) -> None:
    """An optimizer step was taken; sent at most ten times per second, so that fast steps are not slowed down."""


@hookspec
def order_changed(run: RunInfo, epoch: int, order: Order, spread: float | None) -> None:
    """The best order at the end of an epoch differs from that at the end of the previous epoch.

    If each image has its own order, ``order`` is their consensus and ``spread`` their mean Kendall distance to it, from
    0 to 1; the run then has no single order. ``spread`` is None if all images share one order.
    """


@hookspec
def epoch_finished(run: RunInfo, epoch: int, record: EpochRecord) -> None:
    """An epoch, counted from 1, was trained and evaluated; ``record`` is its line of ``metrics.jsonl``."""


@hookspec
def run_finished(run: RunInfo, result: RunResult, epochs: Mapping[str, Sequence[EpochRecord]]) -> None:
    """A run has written its ``result.json``, whose content is ``result``.

    ``epochs`` has the lines of ``metrics.jsonl`` by name: first those of the run, then those of each trained control.
    """


@hookspec
def predictions_made(directory: Path, predictions: Predictions) -> None:
    """A trained model has predicted some images, at the end of a run or in ``evaluate``.

    ``directory`` is the run folder.
    """
