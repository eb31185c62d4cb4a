"""The Plackett-Luce distribution over orders."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.ops.scores import order_of_scores


@dataclass(frozen=True)
class PlackettLuce:
    """Patches are drawn one after the other without replacement, each with probability proportional to ``exp(logit)``.

    Sampling and log-probability both belong to this one object, so they cannot be taken at different temperatures. All
    of it is done in float32 (half precision has too few distinct Gumbel values).

    Source: Plackett, "The Analysis of Permutations", Applied Statistics 1975; sampling by Gumbel top-k, Yellott 1977.

    Args:
        logits: one for each patch.
        temperature: above 0; divides the logits.
    """

    logits: Float[Tensor, " patch"]
    temperature: float = 1.0

    @property
    def scaled_logits(self) -> Float[Tensor, " patch"]:
        """The logits of the distribution itself."""
        return self.logits.float() / self.temperature

    def sample(self, count: int, generator: torch.Generator) -> Int[Tensor, "sample slot"]:
        """Independent orders.

        The noise is drawn where the generator lives, so that a run draws the same orders on every device.
        """
        uniform = torch.rand(count, len(self.logits), generator=generator, device=generator.device)
        # rand() can return 0, whose Gumbel value would be -inf: two of them would tie.
        gumbel = -torch.log(-torch.log(uniform.clamp(min=torch.finfo(uniform.dtype).tiny)))
        return order_of_scores(self.scaled_logits.detach() + gumbel.to(self.logits.device))

    def log_prob(self, orders: Int[Tensor, "sample slot"]) -> Float[Tensor, " sample"]:
        """Log-probability of each order, in nats.

        Stable at any scale of the logits: the log of the remaining mass is a reversed cumulative log-sum-exp.
        """
        chosen = self.scaled_logits.expand(len(orders), -1).gather(1, orders)
        remaining = chosen.flip(-1).logcumsumexp(-1).flip(-1)
        return (chosen - remaining).sum(dim=-1)

    def mode(self) -> Int[Tensor, " slot"]:
        """The most probable order."""
        return order_of_scores(self.logits)
