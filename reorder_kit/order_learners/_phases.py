"""Options of learners that search for a part of the run."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from reorder_kit.interfaces.component import ComponentOptions
from reorder_kit.interfaces.numbers import Amount, Fraction
from reorder_kit.interfaces.order_learner import OrderLearner
from reorder_kit.interfaces.phases import Phases


class PhaseOptions(ComponentOptions):
    """Options of every learner that searches for a part of the run."""

    warmup_epochs: Amount | None = Field(
        None, description="epochs with the starting order, before the search; null: 15 % of the run"
    )
    search_epochs: Amount | None = Field(
        None, description="epochs of the search, after which the order is fixed; null: a share of the run"
    )
    search: Literal["while-training", "then-retrain"] = Field(
        "while-training",
        description="what follows the search: the same weights are trained on, or new weights are trained from the "
        "beginning with the order that was found; both parts together are the epochs of the run",
    )

    def phases(self, epochs: float, search_share: float) -> Phases:
        """The phases of a run.

        Args:
            epochs: epochs of the whole run.
            search_share: share of the run that is searched where ``search_epochs`` is null.
        """
        warmup = 0.15 * epochs if self.warmup_epochs is None else self.warmup_epochs
        search = search_share * epochs if self.search_epochs is None else self.search_epochs
        return Phases(warmup, search, retrains=self.search == "then-retrain")


class ExploreOptions(PhaseOptions):
    """Options of learners that can draw orders before they learn from them.

    A policy that moves from the first step on commits itself to what the model could read first. Where it stays at
    first, the model learns to read all that it draws, and is a fairer judge afterwards.
    """

    explore_share: Fraction = Field(
        0.0, description="share of the search, at its beginning, in which the policy stays as it is"
    )


class PhasedLearner(OrderLearner):
    """A learner that warms up, searches, and then keeps its order."""

    SEARCH_SHARE: ClassVar[float] = 0.5
    """Share of the run that is searched where ``search_epochs`` is null."""

    options: PhaseOptions

    def phases(self, epochs: float) -> Phases:
        """As the options say."""
        return self.options.phases(epochs, self.SEARCH_SHARE)
