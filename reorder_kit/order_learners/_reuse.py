"""Learn again from samples of earlier steps."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reorder_kit.order_learners._order_distributions import OrderDistribution
from reorder_kit.orders.order import Order


class SampleMemory(nn.Module):
    """The samples of the last batches, with the log-probability they had then and their advantage.

    A reused sample is weighted by the ratio of its probability now to its probability then, capped at a limit: the
    limit bounds the variance, and biases toward the distribution it was drawn from.

    Every process must draw the same orders, so that averaging a buffer over processes averages their advantages.

    Source: truncated importance sampling, Ionides, Journal of Computational and Graphical Statistics 2008; for policy
    gradients, Schulman et al., "Proximal Policy Optimization", https://arxiv.org/abs/1707.06347 (their r is our ratio,
    their 1 + epsilon our ``ratio_limit``; without their pessimistic minimum, which is not bounded either).

    Args:
        batches: the number of batches to remember.
        samples: orders drawn per batch.
        ratio_limit: the largest weight of a remembered sample, where a new one weighs 1.
        start: fills the memory at first, with advantages of zero.
    """

    orders: Int[Tensor, "batch sample slot"]
    log_prob: Float[Tensor, "batch sample"]
    advantage: Float[Tensor, "batch sample"]

    def __init__(self, batches: int, samples: int, ratio_limit: float, start: Order) -> None:
        super().__init__()
        self._ratio_limit = ratio_limit
        self.register_buffer("orders", start.indices.repeat(batches, samples, 1))
        self.register_buffer("log_prob", torch.zeros(batches, samples))
        self.register_buffer("advantage", torch.zeros(batches, samples))

    def recall(self, density: OrderDistribution) -> tuple[Float[Tensor, "batch sample"], Float[Tensor, "batch sample"]]:
        """The log-probability of remembered samples under the current distribution, and the weight of each."""
        log_prob = density.log_prob(self.orders)
        ratio = (log_prob.detach() - self.log_prob).exp()
        return log_prob, ratio.clamp(max=self._ratio_limit)

    def remember(
        self,
        orders: Int[Tensor, "sample slot"],
        log_prob: Float[Tensor, " sample"],
        advantage: Float[Tensor, " sample"],
    ) -> None:
        """Replace the oldest batch with a new one.

        If it has fewer samples than usual, they are repeated; if it has more, only the first are remembered.
        """
        samples = torch.arange(self.orders.shape[1], device=orders.device) % len(orders)
        orders, log_prob, advantage = orders[samples], log_prob[samples], advantage[samples]
        # New tensors, because the gradient still needs the recalled ones.
        self.orders = torch.cat([orders.unsqueeze(0), self.orders[:-1]])
        self.log_prob = torch.cat([log_prob.detach().unsqueeze(0).to(self.log_prob), self.log_prob[:-1]])
        self.advantage = torch.cat([advantage.unsqueeze(0).to(self.advantage), self.advantage[:-1]])

    def forget(self) -> None:
        """Remember nothing: advantages of zero."""
        self.advantage = torch.zeros_like(self.advantage)
