"""NeuralSort: one score for each patch, sorted softly with a Gaussian around every slot."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner
from reorder_kit.ops.neuralsort import neuralsort
from reorder_kit.order_learners._scores import ScoreOptions, ScorePolicy
from reorder_kit.order_learners._soft_policy import SoftOrderLearner


class NeuralSort(SoftOrderLearner):
    """Learn one score for each patch by gradient descent through NeuralSort's permutation matrix.

    It is SoftSort with another form of the shares: with evenly spaced scores, a patch d slots away from a slot weighs
    ``exp(-(d / temperature)^2)`` there, whereas SoftSort's ``exp(-d / temperature)`` has a sharper peak and a longer
    tail. Without ``search_epochs``, the search takes half of the run.

    Source: Grover et al., "Stochastic Optimization of Sorting Networks via Continuous Relaxations", ICLR 2019,
    https://arxiv.org/abs/1903.08850 (their s is our ``scores``, their tau the square of our temperature: see
    :func:`reorder_kit.ops.neuralsort.neuralsort`).
    """

    name = "neuralsort"

    class Options(ScoreOptions):
        pass

    options: Options

    def build_policy(self, context: LearnerContext) -> NeuralSortPolicy:
        """The policy; its scores are one slot apart along the starting order."""
        return NeuralSortPolicy(self.options, context.start)


class NeuralSortPolicy(ScorePolicy):
    """Scores, sorted by NeuralSort."""

    def relax(self, scores: Float[Tensor, " patch"], temperature: float) -> Float[Tensor, "slot patch"]:
        """The rows of slots are Gaussians, as wide as the temperature."""
        return neuralsort(scores, temperature**2)


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [NeuralSort]
