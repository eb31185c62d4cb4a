"""Runs in two parts: an order is searched, then new weights are trained in it from the beginning."""

from __future__ import annotations

from dataclasses import replace

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Phases
from reorder_kit.progress import Progress


def part_of_run(phases: Phases, progress: Progress) -> Progress:
    """Where the training of the present weights stands; the whole run where there is one part.

    Each part runs through the schedule of the step size from its start to its end.
    """
    searched = phases.retrain_epoch
    if searched is None:
        return progress
    first = searched * progress.steps_per_epoch
    if progress.step < first:
        return replace(progress, epochs=searched)
    return replace(progress, step=progress.step - first, epochs=progress.epochs - searched)


def check_phases(phases: Phases, epochs: float) -> None:
    """Refuse a run that cannot have these phases.

    Raises:
        ReorderKitError: if the search leaves no epoch for new weights.
    """
    misfit = phases.misfit(epochs)
    if misfit is not None:
        raise ReorderKitError(f"order.learner: {misfit}", "shorten the warm-up or the search, or raise train.epochs")
