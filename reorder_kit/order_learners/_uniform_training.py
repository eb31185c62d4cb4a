"""Train weights in random orders while candidates are tried, so that they judge all orders alike."""

from __future__ import annotations

import torch
from pydantic import Field

from reorder_kit.interfaces.numbers import Tries
from reorder_kit.order_learners._trials import TrialOptions, TrialPolicy, random_orders
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence


class UniformTrainingOptions(TrialOptions):
    """Options of every learner that trains the weights in random orders."""

    groups: Tries = Field(8, description="random orders in which a batch trains the weights during the search")


class UniformTrainingPolicy(TrialPolicy):
    """Proposes random orders during the search.

    Weights that are trained in the candidates instead would come to prefer the first ones that did well, and similar
    ones, before others had a chance.

    Source: uniform sampling, Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV
    2020, https://arxiv.org/abs/1904.00420 (their architecture is our order).

    Args:
        options: trials, groups.
        start: the first best order.
    """

    def __init__(self, options: UniformTrainingOptions, start: Order) -> None:
        super().__init__(options, start)
        self._groups = options.groups

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """Random orders while searching, each for a group of images; the best order before and after."""
        if self.phase != "search":
            return Proposal(self.best_order(), block=block)
        batch = sequence.batch
        orders = random_orders(min(batch, self._groups), len(self.indices), self.generator).to(self.indices.device)
        groups = torch.arange(batch, device=orders.device) % len(orders)
        return Proposal(Order.trusted(orders, len(self.indices), groups), block=block)
