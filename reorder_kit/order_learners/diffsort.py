"""Diffsort: one score for each patch, sorted by a differentiable sorting network."""

from __future__ import annotations

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.numbers import Amount
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner
from reorder_kit.ops.sorting_network import SortingNetwork, SwapDistribution, sorting_network
from reorder_kit.order_learners._scores import ScoreOptions, ScorePolicy, SlotTemperature
from reorder_kit.order_learners._soft_policy import SoftOrderLearner
from reorder_kit.orders.order import Order


class ComparatorTemperature(SlotTemperature):
    """Down to a hundredth of a slot, because the mixing of all layers adds up."""

    initial: Amount = Field(8.0, description="temperature at the start of the search, slots")
    peak: Amount = Field(8.0, description="highest temperature of triangular and plateau, or the constant one")
    final: Amount = Field(0.01, description="temperature at the end of the search, slots")


class Diffsort(SoftOrderLearner):
    """Learn one score for each patch by gradient descent through a sorting network with soft comparators.

    Every patch keeps its full share: rows and columns of the permutation matrix sum to one. Patches enter the network
    in the starting order, so that before anything is learned, comparators find nothing to swap as the temperature goes
    to 0. A step of the odd-even network takes O(n^3) time for n patches: beyond a few hundred, use the bitonic one.
    Without ``search_epochs``, the search takes half of the run.

    Source: Petersen et al., "Differentiable Sorting Networks for Scalable Sorting and Ranking Supervision", ICML 2021,
    https://arxiv.org/abs/2105.04019, and "Monotonic Differentiable Sorting Networks", ICLR 2022,
    https://arxiv.org/abs/2203.09630 (their x is our ``scores``, their beta one over our temperature).
    """

    name = "diffsort"

    class Options(ScoreOptions):
        network: SortingNetwork = Field(
            "odd-even",
            description="which slots are compared: neighbors, in as many layers as there are patches; or far and near "
            "ones, in few layers",
        )
        distribution: SwapDistribution = Field(
            "cauchy", description="how the share that is swapped falls with the difference of two scores"
        )
        temperature: ComparatorTemperature = Field(
            ComparatorTemperature(), description="of a comparator, in slots: at 1, neighbors mix in every layer"
        )

    options: Options

    def build_policy(self, context: LearnerContext) -> DiffsortPolicy:
        """The policy; its scores are one slot apart along the starting order."""
        return DiffsortPolicy(self.options, context.start)


class DiffsortPolicy(ScorePolicy):
    """Scores, sorted by a network that patches enter in the starting order."""

    entry: Int[Tensor, " slot"]

    def __init__(self, options: Diffsort.Options, start: Order) -> None:
        super().__init__(options, start)
        self.options = options
        self.register_buffer("entry", start.indices.clone())

    def relax(self, scores: Float[Tensor, " patch"], temperature: float) -> Float[Tensor, "slot patch"]:
        """The network's matrix, with its columns moved back from the starting order to row-major."""
        entering = scores.index_select(0, self.entry)
        matrix = sorting_network(entering, temperature, self.options.network, self.options.distribution)
        return matrix.index_select(-1, self.entry.argsort())


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [Diffsort]
