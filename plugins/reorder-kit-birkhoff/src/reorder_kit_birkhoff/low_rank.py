"""Low rank: a short vector for each slot and each patch, and the soft permutation of their cosines."""

from __future__ import annotations

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from reorder_kit import hookimpl
from reorder_kit.interfaces import LearnerContext, Order, OrderLearner, PatchSequence, SoftPermutation
from reorder_kit.interfaces.numbers import Amount, Positive, Tries, Whole
from reorder_kit.ops.sinkhorn import sinkhorn
from reorder_kit.order_learners import (
    SMALLEST_TEMPERATURE,
    SoftOptions,
    SoftOrderLearner,
    SoftPolicy,
    TemperatureSchedule,
    TemperatureShape,
)
from reorder_kit.orders.soft_permutation import largest_assignment

reorder_kit_api = "1.0"


class CosineTemperature(TemperatureSchedule):
    """From a mixture of many patches down to one patch for each slot."""

    shape: TemperatureShape = Field("exponential", description="form of the curve")
    initial: Amount = Field(0.3, description="temperature at the start of the search, in units of the cosine")
    peak: Amount = Field(
        0.3, description="highest of triangular and plateau, the one of constant, in units of the cosine"
    )
    final: Amount = Field(0.03, description="temperature at the end of the search, in units of the cosine")


class LowRank(SoftOrderLearner):
    """Learn a vector for each slot and for each patch; a slot holds the patches whose vectors point its way.

    The cosines of slots and patches, divided by the temperature, are balanced to a doubly stochastic matrix (Sinkhorn).
    There are ``2 * slots * rank`` parameters, where ``gumbel-sinkhorn`` has ``slots ** 2`` of them. A slot that turns
    toward one patch also gains shares of the patches near it. The temperature falls until, in the last phase, the hard
    order is used: the one with the largest sum of cosines. Where ``search_epochs`` is not given, half of the run is
    searched.

    Every order can be held at every rank: each slot takes the vector of its patch. The rank decides how near the
    nearest two vectors are, and so how low a temperature must be to tell them apart.

    Source: Dröge et al., "Kissing to Find a Match: Efficient Low-Rank Permutation Representation", NeurIPS 2023,
    https://arxiv.org/abs/2308.13252 (their V and W are our slot and patch vectors). They apply a nonlinearity to the
    product of both and steer it to a permutation with penalties; here the Sinkhorn operator (Mena et al., ICLR 2018,
    https://arxiv.org/abs/1802.08665) makes it doubly stochastic, and the temperature makes it hard.
    """

    name = "low-rank"

    class Options(SoftOptions):
        rank: Whole = Field(16, ge=3, le=1024, description="entries of a vector")
        temperature: CosineTemperature = Field(
            CosineTemperature(), description="divides the cosines; low is near a hard order"
        )
        max_iterations: Tries = Field(50, description="normalizations of columns and rows in a step, at most")
        tolerance: Amount = Field(
            1e-3, description="largest distance of a patch's total share from one at which to stop normalizing"
        )
        lr: Positive = Field(0.1, description="step size of Adam on the entries of vectors, which start at length one")

    options: Options

    def build_policy(self, context: LearnerContext) -> LowRankPolicy:
        """The policy; each slot starts with the vector of its patch in the starting order."""
        return LowRankPolicy(self.options, context.start)


class LowRankPolicy(SoftPolicy):
    """A vector for each slot and each patch. Only their directions count.

    Args:
        options: rank, temperature, step size, and when to stop normalizing.
        start: the starting order. Vectors of patches are drawn from torch's global generator, as weights are.
    """

    def __init__(self, options: LowRank.Options, start: Order) -> None:
        super().__init__(options)
        self.options = options
        vectors = F.normalize(torch.randn(start.num_patches, options.rank), dim=-1).to(start.indices.device)
        self.patch_vectors = nn.Parameter(vectors)
        self.slot_vectors = nn.Parameter(vectors[start.indices].clone())

    def cosines(self) -> Float[Tensor, "slot patch"]:
        """The cosine of the angle between the vectors of each slot and patch, in single precision at least."""
        # Autocast would multiply in half precision, which rounds cosines more coarsely than a low temperature divides.
        with torch.autocast(self.slot_vectors.device.type, enabled=False):
            return F.normalize(self.slot_vectors, dim=-1) @ F.normalize(self.patch_vectors, dim=-1).mT

    def soft_permutation(self) -> SoftPermutation:
        """The balanced matrix of the cosines at the present temperature."""
        temperature = max(self.temperature, SMALLEST_TEMPERATURE)
        return SoftPermutation(
            sinkhorn(self.cosines(), temperature, self.options.max_iterations, self.options.tolerance)
        )

    @torch.no_grad()
    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """The order with the largest sum of cosines: the limit of the matrix at temperature 0."""
        slots, patches = (F.normalize(each.cpu().double(), dim=-1) for each in (self.slot_vectors, self.patch_vectors))
        # In single precision, the cosine with a vector that is almost the same is rounded to one.
        order = largest_assignment(slots @ patches.mT)
        return Order.trusted(order.indices.to(self.slot_vectors.device), order.num_patches)

    def metrics(self) -> dict[str, float]:
        """Also how far a patch's total share is from one, at most."""
        residual = self.soft_permutation().residual() if self.phase == "search" else 0.0
        return {**super().metrics(), "residual": residual}


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [LowRank]
