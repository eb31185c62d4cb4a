"""Random fixed: does an arbitrary order do as well?"""

from __future__ import annotations

import torch

from reorder_kit.interfaces import Order, Policy
from reorder_kit.interfaces.control import InRunControl
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.orders.grid import Grid


class RandomFixed(InRunControl):
    """One random order, drawn with the run's seed and kept from the first step to the last."""

    name = "random-fixed"
    words = "a random order"

    def starting_order(self, grid: Grid, seed: int) -> Order:
        """The same order for every recipe of a seed."""
        return Order(torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(seed)))

    def policy(self, start: Order) -> Policy:
        """A policy that keeps the random order."""
        return FixedOrder(start)
