"""Shared parts of learners that learn an order through a soft permutation."""

from __future__ import annotations

from abc import abstractmethod

import torch
from pydantic import Field

from reorder_kit.interfaces.numbers import Positive
from reorder_kit.interfaces.order_learner import OrderLearner, Policy
from reorder_kit.interfaces.progress import Progress
from reorder_kit.interfaces.task import Task
from reorder_kit.order_learners._phases import PhasedLearner, PhaseOptions
from reorder_kit.order_learners._temperature import TemperatureSchedule
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence
from reorder_kit.orders.soft_permutation import SoftPermutation

SMALLEST_TEMPERATURE = 1e-6
"""Replaces a temperature of 0, which would mean dividing by zero."""


class SoftOptions(PhaseOptions):
    """Options of every learner that learns through a soft permutation."""

    temperature: TemperatureSchedule
    straight_through: bool = Field(
        False, description="use the hard order forward and the soft gradient backward, so that slots never mix"
    )
    lr: Positive = Field(0.1, description="step size of Adam")


class SoftOrderLearner(PhasedLearner):
    """A learner that needs no reward: the loss reaches its parameters through the soft permutation."""

    uses_reward = False

    options: SoftOptions

    def adapted_to(self, task: Task) -> OrderLearner:
        """For a dense task, whole patches move unless the recipe says otherwise."""
        if not task.is_dense or "straight_through" in self.options.model_fields_set:
            return self
        return type(self)(self.options.model_copy(update={"straight_through": True}))


class SoftPolicy(Policy):
    """Proposes a soft permutation while searching, and the best order before and after.

    Args:
        options: temperature, step size, whether slots mix.
    """

    def __init__(self, options: SoftOptions) -> None:
        super().__init__()
        self._soft_options = options
        self.mixes = not options.straight_through
        self.temperature = options.temperature.at(0.0)

    @abstractmethod
    def soft_permutation(self) -> SoftPermutation:
        """The soft permutation at the current temperature; it must be finite even at 0."""

    def advance(self, progress: Progress) -> None:
        """Phase and temperature of this step."""
        super().advance(progress)
        self.temperature = self._soft_options.temperature.at(self.search_done)

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """The soft permutation while searching; the best order before and after."""
        order = self.best_order()
        if self.phase != "search":
            return Proposal(order, block=block)
        return self.soft_proposal(order, self.soft_permutation(), block)

    def soft_proposal(self, order: Order, soft: SoftPermutation, block: int) -> Proposal:
        """A soft permutation with the hard order it stands for, mixed or straight-through."""
        make = Proposal.mixture if self.mixes else Proposal.straight_through
        return make(order, soft, block)

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self._soft_options.lr)

    def metrics(self) -> dict[str, float]:
        """Temperature, and the mean entropy (nats) of a slot's mixture."""
        if self.phase != "search":
            return {"temperature": 0.0, "entropy": 0.0}
        matrix = self.soft_permutation().matrix.detach()
        return {"temperature": self.temperature, "entropy": float(torch.special.entr(matrix).sum(dim=-1).mean())}
