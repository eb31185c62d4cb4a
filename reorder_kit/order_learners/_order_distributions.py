"""The distributions over orders that a policy gradient can learn."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from reorder_kit.ops.plackett_luce import PlackettLuce
from reorder_kit.ops.scores import scores_of_order
from reorder_kit.ops.successors import Successors, successor_logits
from reorder_kit.orders.order import Order

DistributionName = Literal["plackett-luce", "successors"]
OrderDistribution = PlackettLuce | Successors


def starting_logits(name: DistributionName, start: Order) -> Float[Tensor, "..."]:
    """Logits whose greedy order is the start.

    For Plackett-Luce they fall from 0 to -1 along it; for successors they are 0.2 from each patch to the next, else 0.
    """
    if name == "successors":
        return successor_logits(start.indices, strength=0.2)
    return scores_of_order(start.indices, first=0.0, last=-1.0)


def distribution_of(name: DistributionName, logits: Float[Tensor, "..."], temperature: float) -> OrderDistribution:
    """The distribution of that name, at a temperature above 0."""
    return Successors(logits, temperature) if name == "successors" else PlackettLuce(logits, temperature)
