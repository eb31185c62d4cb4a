"""Straight-through Plackett-Luce: a drawn order forward, the gradient of a softly sorted matrix backward."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.numbers import Positive
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner, Policy
from reorder_kit.interfaces.progress import Progress
from reorder_kit.ops.gumbel import gumbel_noise
from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.ops.scores import order_of_scores, scores_of_order
from reorder_kit.ops.softsort import softsort
from reorder_kit.order_learners._phases import PhasedLearner, PhaseOptions
from reorder_kit.order_learners._scores import SlotTemperature
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence
from reorder_kit.orders.soft_permutation import SoftPermutation


class StraightThrough(PhasedLearner):
    """Draw an order from a Plackett-Luce distribution, and learn as if its perturbed scores had been sorted softly.

    Scores divided by the temperature, plus Gumbel noise, are sorted: hard in the forward pass, so that slots never mix,
    and by SoftSort in the backward pass, where a score is affected by the patches whose scores came close to it in this
    draw. The gradient is biased, has little variance and needs no reward. Without ``search_epochs``, the search takes
    half of the run.

    Source: straight-through estimators, Bengio et al., https://arxiv.org/abs/1308.3432, and Jang et al., ICLR 2017,
    https://arxiv.org/abs/1611.01144; over perturbed scores of orders, Grover et al., "Stochastic Optimization of
    Sorting Networks via Continuous Relaxations", ICLR 2019, https://arxiv.org/abs/1903.08850 (their log s is our scores
    divided by the temperature, their g our noise, their tau 1; SoftSort in place of NeuralSort).
    """

    name = "straight-through"
    uses_reward = False

    class Options(PhaseOptions):
        temperature: SlotTemperature = Field(
            SlotTemperature(), description="in slots: at 1, noise moves a patch by about one slot"
        )
        granularity: Literal["batch", "image"] = Field(
            "batch", description="one order for all images of a batch, or one for each image"
        )
        lr: Positive = Field(0.1, description="step size of Adam on the scores, in slots")

        @model_validator(mode="after")
        def _check(self) -> StraightThrough.Options:
            if self.temperature.is_zero:
                raise ValueError("at a temperature of 0 throughout, no order is drawn; set peak, or initial and final")
            return self

    options: Options

    def build_policy(self, context: LearnerContext) -> StraightThroughPolicy:
        """The policy; its scores are one slot apart along the starting order."""
        return StraightThroughPolicy(self.options, context.start)


class StraightThroughPolicy(Policy):
    """A score for each patch; the highest goes to the first slot.

    Args:
        options: temperature, granularity, step size.
        start: its scores are one slot apart along this order.
    """

    def __init__(self, options: StraightThrough.Options, start: Order) -> None:
        super().__init__()
        self.options = options
        self.scores = nn.Parameter(scores_of_order(start.indices, first=float(start.num_slots - 1), last=0.0))
        self.temperature = 0.0
        self.generator = torch.Generator()
        self._drawn: Int[Tensor, "*batch slot"] | None = None  # only for the log

    def advance(self, progress: Progress) -> None:
        """Phase, temperature and random stream of this step."""
        super().advance(progress)
        self.temperature = self.options.temperature.at(self.search_done) if self.phase == "search" else 0.0
        self._drawn = None
        self.generator.manual_seed(progress.stream)

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """Drawn orders while searching; the best order before and after, and at temperature 0."""
        if self.temperature == 0:
            return Proposal(self.best_order(), block=block)
        shape = (sequence.batch, len(self.scores)) if self.options.granularity == "image" else (len(self.scores),)
        noise = gumbel_noise(shape, self.generator).to(self.scores.device)
        perturbed = PlackettLuce(self.scores, self.temperature).scaled_logits + noise
        self._drawn = order_of_scores(perturbed)
        order = Order.trusted(self._drawn, len(self.scores))
        return Proposal.straight_through(order, SoftPermutation(softsort(perturbed, temperature=1.0)), block)

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """Patches by descending score: the most probable order."""
        return Order.trusted(order_of_scores(self.scores), len(self.scores))

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.options.lr)

    def metrics(self) -> dict[str, float]:
        """Temperature, and an estimate of the distribution's entropy (nats) from the last orders drawn."""
        if self._drawn is None:
            return {"temperature": self.temperature, "entropy": 0.0}
        entropy = PlackettLuce(self.scores.detach(), self.temperature).entropy(self._drawn)
        return {"temperature": self.temperature, "entropy": float(entropy.mean())}


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [StraightThrough]
