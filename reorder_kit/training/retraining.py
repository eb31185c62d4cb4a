"""Runs in two parts: an order is searched, then new weights are trained in it from the beginning."""

from __future__ import annotations

from dataclasses import replace

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import Phases
from reorder_kit.interfaces.progress import Progress


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


def check_phases(phases: Phases, epochs: float, length: str = "train.epochs") -> None:
    """Refuse a run that cannot have these phases.

    Args:
        phases: when it searches.
        epochs: of the run.
        length: the field of the recipe that says how long it is.

    Raises:
        ReorderKitError: if the search leaves no epoch for new weights.
    """
    misfit = phases.misfit(epochs)
    if misfit is not None:
        raise ReorderKitError(f"order.learner: {misfit}", f"shorten the warm-up or the search, or raise {length}")


def check_length(experiment: Experiment, steps_per_epoch: int) -> None:
    """Refuse a run whose phases do not fit into so many optimizer steps: how many epochs these are, only data tells.

    Raises:
        ReorderKitError: if the search leaves no epoch for new weights.
    """
    train = experiment.recipe.train
    epochs = train.epochs_of(steps_per_epoch)
    check_phases(experiment.phases(epochs), epochs, "train.epochs" if train.steps is None else "train.steps")
