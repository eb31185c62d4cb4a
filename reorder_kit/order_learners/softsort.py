"""SoftSort: one score for each patch, sorted softly."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner
from reorder_kit.ops.softsort import softsort
from reorder_kit.order_learners._scores import ScoreOptions, ScorePolicy
from reorder_kit.order_learners._soft_policy import SoftOrderLearner


class SoftSort(SoftOrderLearner):
    """Learn one score for each patch by gradient descent through a softly sorted permutation matrix.

    While searching, each slot holds a mixture of the patches whose scores are near; the falling temperature makes it
    sharper until, in the last phase, the hard order is used and the model adapts to it. Without ``search_epochs``, the
    search takes half of the run.

    Source: Prillo and Eisenschlos, "SoftSort", ICML 2020, https://arxiv.org/abs/2006.16038 (their s is our ``scores``,
    their tau our temperature times the mean distance of neighboring scores).
    """

    name = "softsort"

    class Options(ScoreOptions):
        pass

    options: Options

    def build_policy(self, context: LearnerContext) -> SoftSortPolicy:
        """The policy; its scores are one slot apart along the starting order."""
        return SoftSortPolicy(self.options, context.start)


class SoftSortPolicy(ScorePolicy):
    """Scores, sorted by SoftSort."""

    def relax(self, scores: Float[Tensor, " patch"], temperature: float) -> Float[Tensor, "slot patch"]:
        """The rows of slots are softmaxes over the distance of every score to the slot's."""
        return softsort(scores, temperature)


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [SoftSort]
