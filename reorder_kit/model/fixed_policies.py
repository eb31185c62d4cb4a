"""Policies that learn nothing: a fixed order, and the first slots of another policy's orders."""

from __future__ import annotations

from jaxtyping import Int
from torch import Tensor

from reorder_kit.interfaces.order_learner import Policy
from reorder_kit.interfaces.progress import Progress
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence


class FixedOrder(Policy):
    """One static order from the first step to the last.

    Args:
        order: the order, full or partial.
    """

    indices: Int[Tensor, " slot"]

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.register_buffer("indices", order.indices.clone())
        self.num_patches, self.grid = order.num_patches, order.grid
        self.may_leave_out = not order.is_full
        self.phase = "hardened"

    def advance(self, progress: Progress) -> None:
        """Do nothing; the orders are fixed."""

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """The order."""
        return Proposal(self.best_order(), block=block)

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """The order."""
        return Order.trusted(self.indices, self.num_patches, grid=self.grid)

    def build_optimizer(self) -> None:
        """Nothing to optimize."""


class FirstSlots(Policy):
    """The first slots of another policy's best orders; the other patches are left out.

    Args:
        policy: a policy that orders only before block 0.
        slots: the number of slots that are read.
    """

    may_leave_out = True

    def __init__(self, policy: Policy, slots: int) -> None:
        super().__init__()
        self.policy, self.slots = policy, slots
        self.is_static, self.needs = policy.is_static, policy.needs
        self.phase = "hardened"

    def advance(self, progress: Progress) -> None:
        """Do nothing; the orders are fixed."""

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """The best order."""
        return Proposal(self.best_order(sequence, block), block=block)

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """The first slots of the policy's best order."""
        return self.policy.best_order(sequence, block).first(self.slots)

    def build_optimizer(self) -> None:
        """Nothing to optimize."""
