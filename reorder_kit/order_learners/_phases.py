"""When a learner keeps the start, when it searches, and when its order is fixed."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from reorder_kit.interfaces.component import ComponentOptions
from reorder_kit.interfaces.order_learner import Phase, Policy
from reorder_kit.progress import Progress


class PhaseOptions(ComponentOptions):
    """Options of every learner that searches for a part of the run."""

    warmup_epochs: float | None = Field(
        None, ge=0, description="epochs with the starting order, before the search; null: 15 % of the run"
    )
    search_epochs: float | None = Field(
        None, ge=0, description="epochs of the search, after which the order is fixed; null: a share of the run"
    )
    search: Literal["while-training", "then-retrain"] = Field(
        "while-training",
        description="what follows the search: the same weights are trained on, or new weights are trained from the "
        "beginning with the order that was found; both parts together are the epochs of the run",
    )

    def bounds(self, progress: Progress, search_share: float) -> tuple[int, int]:
        """The first step of the search, and the first step after it.

        Args:
            progress: says how long the run is.
            search_share: share of the run that is searched where ``search_epochs`` is null.
        """
        warmup = 0.15 * progress.epochs if self.warmup_epochs is None else self.warmup_epochs
        search = search_share * progress.epochs if self.search_epochs is None else self.search_epochs
        first = round(warmup * progress.steps_per_epoch)
        end = first + round(search * progress.steps_per_epoch)
        if self.search == "then-retrain":  # the first part is made of whole epochs
            end = -(-end // progress.steps_per_epoch) * progress.steps_per_epoch
        return first, end

    def phase(self, progress: Progress, search_share: float) -> tuple[Phase, float]:
        """The phase at a step, and the share of the search that is done."""
        first, end = self.bounds(progress, search_share)
        if progress.step < first:
            return "warm-up", 0.0
        if progress.step >= end:
            return "hardened", 1.0
        return "search", (progress.step - first) / max(1, end - first - 1)


class ExploreOptions(PhaseOptions):
    """Options of learners that can draw orders before they learn from them.

    A policy that moves from the first step on commits itself to what the model could read first. Where it stays at
    first, the model learns to read all that it draws, and is a fairer judge afterwards.
    """

    explore_share: float = Field(
        0.0, ge=0, lt=1, description="share of the search, at its beginning, in which the policy stays as it is"
    )


class PhasedPolicy(Policy):
    """A policy that warms up, searches, and then keeps its order.

    Args:
        phases: how long, and what follows.
    """

    SEARCH_SHARE: ClassVar[float]
    """Share of the run that is searched where ``search_epochs`` is null."""

    def __init__(self, phases: PhaseOptions) -> None:
        super().__init__()
        self._phases = phases
        self.search_done = 0.0

    def advance(self, progress: Progress) -> None:
        """Phase of this step, and the share of the search that is done."""
        self.phase, self.search_done = self._phases.phase(progress, self.SEARCH_SHARE)

    def retrain_step(self, progress: Progress) -> int | None:
        """The first step after the search, if new weights are trained from there."""
        return self._phases.bounds(progress, self.SEARCH_SHARE)[1] if self._phases.search == "then-retrain" else None
