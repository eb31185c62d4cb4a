"""Random per batch: do many different orders help, as augmentation does?"""

from __future__ import annotations

import torch

from reorder_kit.interfaces import Order, PatchSequence, Policy, Progress, Proposal
from reorder_kit.interfaces.control import InRunControl
from reorder_kit.model.fixed_policies import FixedOrder


class RandomPerBatch(InRunControl):
    """A new random order for every training batch; evaluated in the starting order, which is reproducible."""

    name = "random-per-batch"
    words = "a new random order for every batch"

    def policy(self, start: Order) -> Policy:
        """The policy that draws the orders."""
        return RandomOrders(start)


class RandomOrders(FixedOrder):
    """A new random order for every training batch; the starting order otherwise.

    Args:
        start: the starting order, in which a trained model is evaluated.
    """

    def __init__(self, start: Order) -> None:
        super().__init__(start)
        self.phase = "search"
        self.generator = torch.Generator()

    def advance(self, progress: Progress) -> None:
        """Seed the order of this step."""
        self.generator.manual_seed(progress.stream)

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """A random order."""
        shuffle = torch.randperm(len(self.indices), generator=self.generator)
        return Proposal(Order.trusted(self.indices[shuffle.to(self.indices.device)], self.num_patches), block=block)
