"""Learn one score for each patch; learners differ in how the scores are sorted softly."""

from __future__ import annotations

import math
from abc import abstractmethod

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.interfaces.numbers import Amount, Positive
from reorder_kit.ops.scores import order_of_scores, scores_of_order
from reorder_kit.order_learners._soft_policy import SMALLEST_TEMPERATURE, SoftOptions, SoftPolicy
from reorder_kit.order_learners._temperature import TemperatureSchedule, TemperatureShape
from reorder_kit.orders.order import Order
from reorder_kit.orders.sequence import PatchSequence
from reorder_kit.orders.soft_permutation import SoftPermutation


class SlotTemperature(TemperatureSchedule):
    """From mixing over half of a short sequence down to neighbors.

    A low start traps scores in their starting order: a patch is only affected by slots within a few temperatures.
    """

    shape: TemperatureShape = Field("exponential", description="form of the curve")
    initial: Amount = Field(8.0, description="temperature at the start of the search, slots")
    peak: Amount = Field(8.0, description="highest temperature of triangular and plateau, or the constant one")
    final: Amount = Field(0.3, description="temperature at the end of the search, slots")


class ScoreOptions(SoftOptions):
    """Options of every learner with one score for each patch."""

    temperature: SlotTemperature = Field(
        SlotTemperature(), description="in slots: at 1 a slot mixes mostly patches that are one slot away"
    )
    lr: Positive = Field(0.1, description="step size of Adam on the scores, in slots")


class ScorePolicy(SoftPolicy):
    """A score for each patch; the highest goes to the first slot.

    Args:
        options: temperature, step size.
        start: its scores are one slot apart along this order.
    """

    def __init__(self, options: ScoreOptions, start: Order) -> None:
        super().__init__(options)
        self.scores = nn.Parameter(scores_of_order(start.indices, first=float(start.num_slots - 1), last=0.0))

    @abstractmethod
    def relax(self, scores: Float[Tensor, " patch"], temperature: float) -> Float[Tensor, "slot patch"]:
        """Sort softly.

        Args:
            scores: about one slot apart, for any number of patches.
            temperature: above 0, in slots.
        """

    def soft_permutation(self) -> SoftPermutation:
        """The softly sorted matrix, at a temperature relative to the spread of the scores."""
        return SoftPermutation(self.relax(self._spread_scores(), max(self.temperature, SMALLEST_TEMPERATURE)))

    def _spread_scores(self) -> Float[Tensor, " patch"]:
        """Scores rescaled to their starting spread: gradients vanish as scores drift apart, and explode as they
        meet."""
        if len(self.scores) < 3:  # two scores at a fixed spread could never change places
            return self.scores
        spread_at_start = math.sqrt((len(self.scores) ** 2 - 1) / 12)
        centred = self.scores - self.scores.mean()
        return centred * (spread_at_start / centred.square().mean().clamp(min=1e-12).sqrt())

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """Patches by descending score."""
        return Order.trusted(order_of_scores(self.scores), len(self.scores))
