"""Options of learners that search during part of the run."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from reorder_kit.interfaces.component import ComponentOptions
from reorder_kit.interfaces.epochs import Epochs, epochs_in
from reorder_kit.interfaces.numbers import Count, Fraction, Whole
from reorder_kit.interfaces.order_learner import OrderLearner
from reorder_kit.interfaces.phases import Phases, Trials


class PhaseOptions(ComponentOptions):
    """Options of every learner that searches during part of the run."""

    warmup_epochs: Epochs | None = Field(
        None, description="epochs with the starting order, before the search, or a share of the run; null: 15%"
    )
    search_epochs: Epochs | None = Field(
        None,
        description="epochs of the search, after which the order is fixed, or a share of the run; null: the learner's",
    )
    search: Literal["while-training", "then-retrain", "validated"] = Field(
        "while-training",
        description="what follows the search: training continues with the same weights; or new weights are trained "
        "from scratch in the order found, and both parts share the epochs of the run; or the search is a separate "
        "training, short trainings judge its order, and the run trains in it only if it beats the start",
    )
    trial_seeds: Whole = Field(
        3, ge=3, le=100, description="short trainings of search: validated in each of the two orders"
    )
    trial_steps: Count | None = Field(
        None, description="optimizer steps of each short training of search: validated; null: 20% of the run"
    )

    def unused(self) -> dict[str, str]:
        """Options of trials, if there are none."""
        if self.search == "validated":
            return super().unused()
        reason = f"with search: {self.search}, there are no trials"
        return super().unused() | dict.fromkeys(("trial_seeds", "trial_steps"), reason)

    def phases(self, epochs: float, search_share: float) -> Phases:
        """The phases of a run.

        Args:
            epochs: epochs of the whole run.
            search_share: share of the run spent searching if ``search_epochs`` is null.
        """
        warmup = 0.15 * epochs if self.warmup_epochs is None else epochs_in(self.warmup_epochs, epochs)
        search = search_share * epochs if self.search_epochs is None else epochs_in(self.search_epochs, epochs)
        trials = Trials(self.trial_seeds, self.trial_steps) if self.search == "validated" else None
        return Phases(warmup, search, retrains=self.search == "then-retrain", trials=trials)


class ExploreOptions(PhaseOptions):
    """Options of learners that can draw orders before they learn from them.

    A policy that moves from the first step commits to the orders that the model learned to read first. If the policy
    waits, the model learns to read all orders that it draws, and judges them more fairly afterward.
    """

    explore_share: Fraction = Field(
        0.0, description="share of the search, at its start, in which the policy stays unchanged"
    )


class PhasedLearner(OrderLearner):
    """A learner that warms up, searches, and then keeps its order."""

    SEARCH_SHARE: ClassVar[float] = 0.5
    """Share of the run spent searching if ``search_epochs`` is null."""

    options: PhaseOptions

    def phases(self, epochs: float) -> Phases:
        """The phases in the options."""
        return self.options.phases(epochs, self.SEARCH_SHARE)

    def searching(self, phases: Phases) -> OrderLearner:
        """The same learner, searching for as long as the training lasts and keeping its weights."""
        options = self.options.model_copy(
            update={
                "search": "while-training",
                "warmup_epochs": phases.warmup_epochs,
                "search_epochs": phases.search_epochs,
            }
        )
        return type(self)(options)
