"""Gumbel-Sinkhorn: one logit for each slot and patch, balanced to a soft permutation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.numbers import Amount, Positive, Tries
from reorder_kit.interfaces.order_learner import LearnerContext, OrderLearner
from reorder_kit.interfaces.progress import Progress
from reorder_kit.ops.gumbel import gumbel_noise
from reorder_kit.ops.sinkhorn import sinkhorn
from reorder_kit.order_learners._phases import ExploreOptions
from reorder_kit.order_learners._soft_policy import SMALLEST_TEMPERATURE, SoftOptions, SoftOrderLearner, SoftPolicy
from reorder_kit.order_learners._temperature import TemperatureSchedule, TemperatureShape
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence
from reorder_kit.orders.soft_permutation import SoftPermutation, largest_assignment


class LogitTemperature(TemperatureSchedule):
    """From a mixture of all patches down to one patch for each slot."""

    shape: TemperatureShape = Field("exponential", description="form of the curve")
    initial: Amount = Field(1.0, description="temperature at the start of the search, in units of the logits")
    peak: Amount = Field(
        1.0, description="highest of triangular and plateau, or the constant one, in units of the logits"
    )
    final: Amount = Field(0.05, description="temperature at the end of the search, in units of the logits")


class GumbelNoise(TemperatureSchedule):
    """From noise that lets slots try other patches down to none."""

    shape: TemperatureShape = Field("linear", description="form of the curve")
    initial: Amount = Field(0.5, description="scale at the start of the search, in units of the logits")
    peak: Amount = Field(
        0.5, description="largest of triangular and plateau, or the constant one, in units of the logits"
    )
    final: Amount = Field(0.0, description="scale at the end of the search, in units of the logits")


class GumbelSinkhorn(SoftOrderLearner):
    """Learn one logit for each slot and patch by gradient descent through a doubly stochastic matrix.

    While searching, the logits get Gumbel noise, drawn anew at every step, and are balanced until the shares of every
    slot and of every patch sum to one. Noise and temperature fall until, in the last phase, the hard order is used: the
    one with the largest sum of logits. Without ``search_epochs``, the search takes half of the run.

    Source: Mena et al., "Learning Latent Permutations with Gumbel-Sinkhorn Networks", ICLR 2018,
    https://arxiv.org/abs/1802.08665 (their X is our ``logits``, their tau our temperature, their epsilon our noise,
    which they don't scale).
    """

    name = "gumbel-sinkhorn"

    class Options(ExploreOptions, SoftOptions):
        temperature: LogitTemperature = Field(
            LogitTemperature(), description="divides the logits and their noise; at low ones, orders are nearly hard"
        )
        noise: GumbelNoise = Field(GumbelNoise(), description="scale of the Gumbel noise; 0: off")
        samples: Tries = Field(1, description="draws of the noise in a step, each for an equal share of the images")
        start_strength: Positive = Field(
            1.0, description="how much higher a slot's logit for its patch in the starting order is than the others"
        )
        max_iterations: Tries = Field(50, description="largest number of normalizations of columns and rows in a step")
        tolerance: Amount = Field(
            1e-3, description="largest distance of a patch's total share from one at which to stop normalizing"
        )
        lr: Positive = Field(0.1, description="step size of Adam, in units of the logits")

        def unused(self) -> dict[str, str]:
            """Options of draws, if there is no noise."""
            nothing = "without noise there is nothing to draw"
            found = dict.fromkeys(("samples", "explore_share"), nothing) if self.noise.is_zero else {}
            return super().unused() | found

    options: Options

    def build_policy(self, context: LearnerContext) -> GumbelSinkhornPolicy:
        """The policy; its logits are 0 except for those of the starting order."""
        return GumbelSinkhornPolicy(self.options, context.start)


class GumbelSinkhornPolicy(SoftPolicy):
    """Logits of slots and patches, and the noise of this step."""

    def __init__(self, options: GumbelSinkhorn.Options, start: Order) -> None:
        super().__init__(options)
        self.options = options
        self.logits = nn.Parameter(options.start_strength * SoftPermutation.from_order(start).matrix)
        self.noise_scale = 0.0
        self._stream = 0

    def advance(self, progress: Progress) -> None:
        """Phase, temperature, and scale and stream of the noise of this step."""
        super().advance(progress)
        self.noise_scale = self.options.noise.at(self.search_done)
        self._stream = progress.stream

    def perturbed_logits(self, samples: int) -> Float[Tensor, "sample slot patch"]:
        """The logits with the noise of this step, the same in every call."""
        logits = self.logits.detach() if self.search_done < self.options.explore_share else self.logits
        logits = logits.expand(samples, -1, -1)
        if self.noise_scale == 0:
            return logits
        noise = gumbel_noise(logits.shape, torch.Generator().manual_seed(self._stream))
        return logits + self.noise_scale * noise.to(logits.device)

    def soft_permutation(self) -> SoftPermutation:
        """The balanced matrix of the logits with the first draw of the noise."""
        return SoftPermutation(self._balance(self.perturbed_logits(1))[0])

    def _balance(self, logits: Float[Tensor, "sample slot patch"]) -> Float[Tensor, "sample slot patch"]:
        temperature = max(self.temperature, SMALLEST_TEMPERATURE)
        return sinkhorn(logits, temperature, self.options.max_iterations, self.options.tolerance)

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """While searching, matrices and hard orders of the logits with noise; the best order before and after."""
        if self.phase != "search":
            return Proposal(self.best_order(), block=block)
        batch = sequence.batch
        samples = 1 if self.noise_scale == 0 else min(batch, self.options.samples)
        logits = self.perturbed_logits(samples)
        order, matrix = largest_assignment(logits), self._balance(logits)
        if samples == 1:  # one matrix for all images takes less memory
            first = Order.trusted(order.indices[0], order.num_patches)
            return self.soft_proposal(first, SoftPermutation(matrix[0]), block)
        groups = torch.arange(batch, device=matrix.device) % samples
        dealt = Order.trusted(order.indices, order.num_patches, groups)
        return self.soft_proposal(dealt, SoftPermutation(matrix[groups]), block)

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """The order with the largest sum of logits: the limit of the matrix without noise at temperature 0."""
        return largest_assignment(self.logits)

    def metrics(self) -> dict[str, float]:
        """Also the scale of the noise, and the largest distance of a patch's total share from one."""
        if self.phase != "search":
            return {**super().metrics(), "noise": 0.0, "residual": 0.0}
        return {**super().metrics(), "noise": self.noise_scale, "residual": self.soft_permutation().residual()}


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [GumbelSinkhorn]
