"""SoftRank: one score for each patch, ranked softly."""

from __future__ import annotations

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.numbers import Positive
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner
from reorder_kit.ops.isotonic import soft_rank
from reorder_kit.order_learners._scores import ScoreOptions, ScorePolicy
from reorder_kit.order_learners._soft_policy import SoftOrderLearner
from reorder_kit.orders.order import Order


class SoftRank(SoftOrderLearner):
    """Learn one score for each patch by gradient descent through soft ranks.

    While searching, each slot holds a mixture of the patches whose soft ranks are near it. A gap between scores only
    counts up to the strength, so that slots stay filled even if scores drift apart unevenly. Ranks and mixtures sharpen
    together with the temperature. Without ``search_epochs``, the search takes half of the run.

    Source: Blondel et al., "Fast Differentiable Sorting and Ranking", ICML 2020, https://arxiv.org/abs/2002.08871
    (their theta is our ``scores``, their epsilon our ``strength`` times the temperature). They stop at ranks; the
    softmax that turns them into a matrix is ours.
    """

    name = "softrank"

    class Options(ScoreOptions):
        strength: Positive = Field(
            0.75,
            description="regularization of the ranks, in temperatures: patches whose scores are farther apart keep "
            "hard ranks and a gradient of zero; far above the temperature, all ranks crowd in the middle",
        )

    options: Options

    def build_policy(self, context: LearnerContext) -> SoftRankPolicy:
        """The policy; its scores are one slot apart along the starting order."""
        return SoftRankPolicy(self.options, context.start)


class SoftRankPolicy(ScorePolicy):
    """Scores, ranked softly.

    Args:
        options: temperature, strength, step size.
        start: its scores are one slot apart along this order.
    """

    def __init__(self, options: SoftRank.Options, start: Order) -> None:
        super().__init__(options, start)
        self.strength = options.strength

    def relax(self, scores: Float[Tensor, " patch"], temperature: float) -> Float[Tensor, "slot patch"]:
        """The rows of slots are softmaxes over the absolute distance of every soft rank to the slot."""
        ranks = soft_rank(scores, self.strength * temperature)
        slots = torch.arange(len(ranks), device=ranks.device)
        distance = (slots.unsqueeze(1) - ranks).abs()
        return torch.softmax(distance / -temperature, dim=1)


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [SoftRank]
