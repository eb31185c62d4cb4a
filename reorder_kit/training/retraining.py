"""Runs in two parts: an order is searched, then new weights are trained in it from the beginning."""

from __future__ import annotations

from dataclasses import replace

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Policy
from reorder_kit.progress import Progress


def part_of_run(policy: Policy, progress: Progress) -> Progress:
    """Where the training of the present weights stands; the whole run where there is one part.

    Each part runs through the schedule of the step size from its start to its end.
    """
    first = policy.retrain_step(progress)
    if first is None:
        return progress
    searched = first // progress.steps_per_epoch
    if progress.step < first:
        return replace(progress, epochs=searched)
    return replace(progress, step=progress.step - first, epochs=progress.epochs - searched)


def check_parts(policy: Policy, progress: Progress) -> None:
    """Refuse a run whose second part would be empty.

    Raises:
        ReorderKitError: if the search ends with the run.
    """
    first = policy.retrain_step(progress)
    if first is not None and first >= progress.total_steps:
        raise ReorderKitError(
            f"order.learner.search: then-retrain, but the search takes all of the {progress.epochs} epochs",
            "raise train.epochs, or lower order.learner.search_epochs",
        )
