"""Orders that are one exchange away from a given order."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor


def with_swaps(order: Int[Tensor, " slot"], count: int, generator: torch.Generator) -> Int[Tensor, "sample slot"]:
    """The order itself, then copies with two patches exchanged, every pair with the same probability.

    Args:
        order: a full order.
        count: the number of orders in total.
        generator: draws the pairs, independently of each other.
    """
    slots = len(order)
    if slots == 1:
        return order.expand(count, -1)
    first = torch.randint(slots, (count - 1,), generator=generator, device=generator.device)
    distance = torch.randint(1, slots, (count - 1,), generator=generator, device=generator.device)
    pairs = torch.stack([first, (first + distance) % slots], dim=1).to(order.device)
    orders = order.repeat(count, 1)
    orders[1:] = orders[1:].scatter(1, pairs, order[pairs.flip(1)])
    return orders
