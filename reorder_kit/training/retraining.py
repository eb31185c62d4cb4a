"""Runs in two parts: search for an order, then train new weights in it from the beginning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Phases
from reorder_kit.interfaces.progress import Progress
from reorder_kit.recipe.settings import TrainSettings


def part_of_run(phases: Phases, progress: Progress) -> Progress:
    """The progress of training the current weights; that of the whole run if it has only one part.

    Each part goes through the whole schedule of the step size.
    """
    searched = phases.retrain_epoch
    if searched is None:
        return progress
    first = searched * progress.steps_per_epoch
    if progress.step < first:
        return replace(progress, epochs=searched)
    return replace(progress, step=progress.step - first, epochs=progress.epochs - searched)


def check_phases(phases: Callable[[float], Phases], train: TrainSettings, steps_per_epoch: int) -> None:
    """Refuse a run whose phases do not fit into it. If its length is given in steps, only the data tells.

    Args:
        phases: returns the phases of a run with a number of epochs.
        train: the length of the run.
        steps_per_epoch: optimizer steps per epoch.

    Raises:
        ReorderKitError: if the search leaves no epoch for new weights.
    """
    epochs = train.epochs_of(steps_per_epoch)
    misfit = phases(epochs).misfit(epochs)
    if misfit is not None:
        length = "train.epochs" if train.steps is None else "train.steps"
        raise ReorderKitError(f"order.learner: {misfit}", f"shorten the warm-up or the search, or raise {length}")
