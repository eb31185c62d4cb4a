"""When a learner keeps the start, when it searches, and when its order is fixed."""

from __future__ import annotations

from pydantic import Field

from reorder_kit.interfaces.component import ComponentOptions
from reorder_kit.interfaces.order_learner import Phase
from reorder_kit.progress import Progress


class PhaseOptions(ComponentOptions):
    """Options of every learner that searches for a part of the run."""

    warmup_epochs: float | None = Field(
        None, ge=0, description="epochs with the starting order, before the search; null: 15 % of the run"
    )
    search_epochs: float | None = Field(
        None, ge=0, description="epochs of the search, after which the order is fixed; null: a share of the run"
    )

    def phase(self, progress: Progress, search_share: float) -> tuple[Phase, float]:
        """The phase at a step, and the share of the search that is done.

        Args:
            progress: where the run stands.
            search_share: share of the run that is searched where ``search_epochs`` is null.
        """
        warmup = 0.15 * progress.epochs if self.warmup_epochs is None else self.warmup_epochs
        search = search_share * progress.epochs if self.search_epochs is None else self.search_epochs
        first = round(warmup * progress.steps_per_epoch)
        steps = round(search * progress.steps_per_epoch)
        if progress.step < first:
            return "warm-up", 0.0
        if progress.step >= first + steps:
            return "hardened", 1.0
        return "search", (progress.step - first) / max(1, steps - 1)
