"""The most informative patch in the most influential slot."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.orders.order import Order


def matched(patches: Order, influence: Float[Tensor, " slot"]) -> Order:
    """Match a ranking of patches with the influence of slots.

    Args:
        patches: the ranking, most informative first, with as many patches as there are slots.
        influence: the influence of each slot; among equals, the first counts as more influential.

    >>> matched(Order([2, 0, 1]), torch.tensor([0.1, 0.2, 0.7])).indices.tolist()
    [1, 0, 2]
    """
    order = torch.empty_like(patches.indices)
    order[influence.argsort(descending=True, stable=True)] = patches.indices
    return Order(order, patches.num_patches)


def effective_slots(influence: Float[Tensor, " slot"]) -> float:
    """The number of slots over which influence is spread: the exponential of its entropy; 0 without influence.

    >>> effective_slots(torch.tensor([0.5, 0.5, 0.0, 0.0]))
    2.0
    """
    total = float(influence.sum())
    if total <= 0:
        return 0.0
    shares = influence.double() / total
    return float(torch.special.entr(shares).sum().exp())
