"""Learning from samples of earlier steps again."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reorder_kit.order_learners._order_distributions import OrderDistribution
from reorder_kit.orders.order import Order


class SampleMemory(nn.Module):
    """The samples of the last batches, with their log-probability then and their advantage.

    A sample that is used again weighs the ratio of its probability now to its probability then, cut off at a limit: the
    limit bounds the variance, and biases towards the distribution it was drawn from.

    Every process has to draw the same orders, so that the average of a buffer over processes is an average of their
    advantages.

    Source: truncated importance sampling, Ionides, Journal of Computational and Graphical Statistics 2008; for policy
    gradients, Schulman et al., "Proximal Policy Optimization", https://arxiv.org/abs/1707.06347 (their r is our ratio,
    their 1 + epsilon our ``ratio_limit``; without their pessimistic minimum, which is not bounded either).

    Args:
        batches: how many are remembered.
        samples: orders drawn for a batch.
        ratio_limit: the largest weight of a remembered sample, where a new one weighs 1.
        start: stands in, with advantages of zero, for what is not there yet.
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
        """The log-probability of what is remembered under the present distribution, and the weight of each sample."""
        log_prob = density.log_prob(self.orders)
        ratio = (log_prob.detach() - self.log_prob).exp()
        return log_prob, ratio.clamp(max=self._ratio_limit)

    def remember(
        self,
        orders: Int[Tensor, "sample slot"],
        log_prob: Float[Tensor, " sample"],
        advantage: Float[Tensor, " sample"],
    ) -> None:
        """Forget the oldest batch for a new one.

        Where it has fewer samples than usual, they come several times; where it has more, the first are remembered.
        """
        samples = torch.arange(self.orders.shape[1], device=orders.device) % len(orders)
        orders, log_prob, advantage = orders[samples], log_prob[samples], advantage[samples]
        # New tensors, because those that were recalled are still needed for the gradient.
        self.orders = torch.cat([orders.unsqueeze(0), self.orders[:-1]])
        self.log_prob = torch.cat([log_prob.detach().unsqueeze(0).to(self.log_prob), self.log_prob[:-1]])
        self.advantage = torch.cat([advantage.unsqueeze(0).to(self.advantage), self.advantage[:-1]])

    def forget(self) -> None:
        """Remember nothing: advantages of zero."""
        self.advantage = torch.zeros_like(self.advantage)
