"""SoftSort: one score for each patch, sorted softly."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner, Policy
from reorder_kit.ops.scores import order_of_scores, scores_of_order
from reorder_kit.ops.softsort import softsort
from reorder_kit.order_learners._phases import PhaseOptions
from reorder_kit.order_learners._temperature import TemperatureSchedule
from reorder_kit.patch_order import Order
from reorder_kit.progress import Progress
from reorder_kit.proposal import Proposal
from reorder_kit.sequence import PatchSequence
from reorder_kit.soft_permutation import SoftPermutation


class SlotTemperature(TemperatureSchedule):
    """From mixing over half of a short sequence down to neighbours.

    Starting low traps scores in the order they start from: a patch only feels slots within a few temperatures.
    """

    shape: Literal["constant", "linear", "exponential", "triangular", "plateau"] = Field(
        "exponential", description="form of the curve"
    )
    initial: float = Field(8.0, ge=0, description="temperature at the start of the search, slots")
    peak: float = Field(8.0, ge=0, description="highest temperature of triangular and plateau; the one of constant")
    final: float = Field(0.3, ge=0, description="temperature at the end of the search, slots")


class SoftSort(OrderLearner):
    """Learn one score for each patch by gradient descent through a softly sorted permutation matrix.

    While searching, each slot holds a mixture of the patches whose scores are near; the temperature makes it sharper
    until, in the last phase, the hard order is used and the model gets used to it. Where ``search_epochs`` is not
    given, half of the run is searched.

    Source: Prillo and Eisenschlos, "SoftSort", ICML 2020, https://arxiv.org/abs/2006.16038 (their s is our ``scores``,
    their tau our temperature times the mean distance of neighbouring scores).
    """

    name = "softsort"
    uses_reward = False

    class Options(PhaseOptions):
        temperature: SlotTemperature = Field(
            SlotTemperature(), description="in slots: at 1 a slot mixes mostly patches that are one slot away"
        )
        straight_through: bool = Field(
            False, description="use the hard order forward and the soft gradient backward, so that slots never mix"
        )
        lr: float = Field(0.1, gt=0, description="step size of Adam on the scores, in slots")

    options: Options

    @property
    def mixes_patches(self) -> bool:
        """Slots mix unless the hard order is used forward."""
        return not self.options.straight_through

    def build_policy(self, context: LearnerContext) -> SoftSortPolicy:
        """The policy; its scores are one slot apart along the starting order."""
        return SoftSortPolicy(self.options, context.start)


class SoftSortPolicy(Policy):
    """A score for each patch."""

    SEARCH_SHARE = 0.5

    def __init__(self, options: SoftSort.Options, start: Order) -> None:
        super().__init__()
        self.options = options
        self.scores = nn.Parameter(scores_of_order(start.indices, first=float(start.num_slots - 1), last=0.0))
        self.temperature = options.temperature.at(0.0)

    def advance(self, progress: Progress) -> None:
        """Phase and temperature of this step."""
        self.phase, share = self.options.phase(progress, self.SEARCH_SHARE)
        self.temperature = self.options.temperature.at(share)

    def soft_permutation(self) -> SoftPermutation:
        """The softly sorted matrix, at a temperature relative to the spread of the scores."""
        return SoftPermutation(softsort(self._spread_scores(), max(self.temperature, 1e-6)))

    def _spread_scores(self) -> Float[Tensor, " patch"]:
        """Scores as spread as at the start: the gradient vanishes as scores drift apart, and explodes as they meet."""
        if len(self.scores) < 3:  # two scores at a fixed spread could never change places
            return self.scores
        spread_at_start = math.sqrt((len(self.scores) ** 2 - 1) / 12)
        centred = self.scores - self.scores.mean()
        return centred * (spread_at_start / centred.square().mean().clamp(min=1e-12).sqrt())

    def propose(self, sequence: PatchSequence | None) -> Proposal:
        """The soft permutation while searching; the best order before and after."""
        order = self.best_order()
        if self.phase != "search":
            return Proposal(order)
        if self.options.straight_through:
            return Proposal.straight_through(order, self.soft_permutation())
        return Proposal.mixture(order, self.soft_permutation())

    def best_order(self, sequence: PatchSequence | None = None) -> Order:
        """Patches by descending score."""
        return Order.trusted(order_of_scores(self.scores), len(self.scores))

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Adam on the scores."""
        return torch.optim.Adam(self.parameters(), lr=self.options.lr)

    def metrics(self) -> dict[str, float]:
        """Temperature, and the mean entropy (nats) of what a slot holds."""
        if self.phase != "search":
            return {"temperature": 0.0, "entropy": 0.0}
        matrix = self.soft_permutation().matrix.detach()
        return {"temperature": self.temperature, "entropy": float(torch.special.entr(matrix).sum(dim=-1).mean())}


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [SoftSort]
