"""RELAX: a learned control variate for the policy gradient of a Plackett-Luce distribution."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.ops.softsort import softsort


class PositionSurrogate(nn.Module):
    """An estimate of an order's advantage from its perturbed logits: the sum of the worth of patches in slots.

    Perturbed logits are sorted softly, so the estimate is differentiable where the order jumps. It starts at zero, so
    that an advantage that is always zero moves nothing, and it is linear in its parameters, so minimizing the variance
    is a convex problem.

    Source: Gadetsky et al., "Low-Variance Black-Box Gradient Estimates for the Plackett-Luce Distribution", AAAI 2020,
    https://arxiv.org/abs/1911.10036 (their c is this module, their z our ``perturbed``, their theta the scaled logits);
    Grathwohl et al., "Backpropagation through the Void", ICLR 2018, https://arxiv.org/abs/1711.00123.

    Args:
        patches: the number of patches.
    """

    def __init__(self, patches: int) -> None:
        super().__init__()
        self.worth = nn.Parameter(torch.zeros(patches, patches))

    def forward(self, perturbed: Float[Tensor, "sample patch"]) -> Float[Tensor, " sample"]:
        """The estimate; a temperature of 1 is the scale of the noise."""
        return (self.worth * softsort(perturbed, temperature=1.0)).sum(dim=(-2, -1))


def relax_gradients(
    surrogate: PositionSurrogate,
    distribution: PlackettLuce,
    orders: Int[Tensor, "sample slot"],
    advantage: Float[Tensor, " sample"],
    generator: torch.Generator,
) -> tuple[Float[Tensor, " patch"], Float[Tensor, "patch patch"]]:
    """Gradients of minus the expected advantage for the logits, and of that gradient's variance for the surrogate.

    The first is an unbiased estimate with any surrogate: what the surrogate explains is subtracted from the score
    function estimate and added back as a gradient through the perturbed logits.

    Args:
        surrogate: the control variate.
        distribution: the distribution that the orders were drawn from.
        orders: full orders.
        advantage: how much better than the others each order was.
        generator: draws the perturbed logits that belong to the orders.
    """
    scaled = distribution.scaled_logits.detach().expand(orders.shape).requires_grad_()
    for_each_sample = PlackettLuce(scaled)
    # The noise that led to each order: drawn after it, and then held fixed while the logits move.
    noise = for_each_sample.perturbed_logits(orders, generator).detach() - scaled.detach()
    free = surrogate(scaled + noise)
    conditional = surrogate(for_each_sample.perturbed_logits(orders, generator))
    (through_sort,) = torch.autograd.grad((free - conditional).sum(), scaled, create_graph=True)
    score = distribution.score(orders).detach()
    gradients = -((advantage - conditional).unsqueeze(1) * score + through_sort)
    # The mean does not depend on the surrogate, so the mean square changes only with the variance.
    (of_variance,) = torch.autograd.grad(gradients.square().sum(dim=1).mean(), surrogate.worth)
    return gradients.detach().mean(dim=0), of_variance
