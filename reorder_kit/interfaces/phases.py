"""When a policy keeps the start, when it searches, and when its order is fixed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from reorder_kit.interfaces.progress import Progress


@dataclass(frozen=True)
class Trials:
    """Short trainings from scratch that compare a learned order with the start.

    Args:
        seeds: trainings in each of the two orders.
        steps: optimizer steps of each training; None for :data:`SHARE_OF_RUN` of the run.
    """

    SHARE_OF_RUN: ClassVar[float] = 0.2

    seeds: int
    steps: int | None = None

    def steps_of(self, run: int) -> int:
        """Steps of each training, for a run of that many steps."""
        return self.steps or max(1, round(self.SHARE_OF_RUN * run))


@dataclass(frozen=True)
class Phases:
    """The phases of a run: warm-up, then the search, then training in the order found.

    Only this class converts the epochs of a search into steps, and checks whether they fit a run.

    >>> phases = Phases(warmup_epochs=1, search_epochs=1.5, retrains=True)
    >>> phases.bounds(steps_per_epoch=10)
    (10, 30)
    >>> phases.misfit(epochs=3)
    'the search takes all of the 3 epochs, which leaves none for new weights'

    Args:
        warmup_epochs: epochs in the starting order, before the search.
        search_epochs: epochs of the search, after which the order is fixed.
        retrains: whether new weights are trained from scratch in the order found. The search then ends at the end of an
            epoch, so that both parts have whole epochs.
        trials: the trials that judge the order before the run trains in it from scratch. The search is then a separate
            training, in addition to the epochs of the run. None if the run uses the order without trials.
    """

    warmup_epochs: float
    search_epochs: float
    retrains: bool = False
    trials: Trials | None = None

    @property
    def end_epoch(self) -> float:
        """Epochs until the search ends, without the rounding errors of adding up shares of a run."""
        return round(self.warmup_epochs + self.search_epochs, 9)

    @property
    def retrain_epoch(self) -> int | None:
        """The epoch, counted from 0, in which training of new weights begins; None if it never does."""
        return math.ceil(self.end_epoch) if self.retrains else None

    def bounds(self, steps_per_epoch: int) -> tuple[int, int]:
        """The first step of the search, and the first step after it."""
        first = round(self.warmup_epochs * steps_per_epoch)
        if self.retrain_epoch is not None:
            return first, self.retrain_epoch * steps_per_epoch
        return first, first + round(self.search_epochs * steps_per_epoch)

    def locate(self, progress: Progress) -> Progress:
        """The same step with its phase, the share of the search that is done, and the steps of the phase."""
        first, end = self.bounds(progress.steps_per_epoch)
        step = progress.step
        if step < first:
            return replace(progress, phase="warm-up", share=0.0, phase_step=step)
        if step >= end:
            return replace(progress, phase="hardened", share=1.0, phase_step=step - end)
        return replace(
            progress, phase="search", share=(step - first) / max(1, end - first - 1), phase_step=step - first
        )

    def misfit(self, epochs: float) -> str | None:
        """Why a run of that many epochs cannot have these phases; None if it can."""
        if self.retrain_epoch is None or self.retrain_epoch < epochs:
            return None
        return f"the search takes all of the {_epochs(epochs)}, which leaves none for new weights"

    def of_search(self, epochs: float) -> Phases:
        """The phases of a search that is a separate training of that many epochs."""
        return Phases(self.warmup_epochs, max(0.0, epochs - self.warmup_epochs))

    def doubt(self, epochs: float) -> str | None:
        """What is questionable about these phases in a run of that many epochs; None if nothing is."""
        if self.trials is not None:  # the search has its own epochs
            return None if self.search_epochs else "the order is never searched"
        if self.warmup_epochs >= epochs:
            return (
                f"the search never starts: the warm-up of {_epochs(self.warmup_epochs)} lasts to the end of the run "
                f"of {_epochs(epochs)}"
            )
        if self.search_epochs == 0:
            return "the order is never searched"
        if self.end_epoch > epochs:
            return f"the run of {_epochs(epochs)} ends before the search, which ends after {_epochs(self.end_epoch)}"
        if self.end_epoch == round(epochs, 9):
            return (
                f"the search lasts to the end of the run of {_epochs(epochs)}, so no epoch trains in the order that it "
                "finds"
            )
        return None


def _epochs(count: float) -> str:
    return "1 epoch" if count == 1 else f"{count:g} epochs"
