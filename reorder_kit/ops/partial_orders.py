"""Orders whose last slots are left open."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor


def slots_of_patches(orders: Int[Tensor, "*batch slot"], patches: int) -> Int[Tensor, "*batch patch"]:
    """The slot of each patch; for a patch that has none, the number of slots."""
    slots = torch.arange(orders.shape[-1], device=orders.device).expand_as(orders)
    return orders.new_full((*orders.shape[:-1], patches), orders.shape[-1]).scatter(-1, orders, slots)


def completed(orders: Int[Tensor, "*batch slot"], patches: int) -> Int[Tensor, "*batch patch"]:
    """The orders, with the patches that have no slot after them, in row-major sequence."""
    return slots_of_patches(orders, patches).argsort(dim=-1, stable=True)
