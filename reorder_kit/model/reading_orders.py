"""Sources of the orders in which a model reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.order_learner import Policy
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence


class ReadingOrder(Protocol):
    """Gives a proposal before each of its blocks."""

    @property
    def policy(self) -> Policy | None:
        """The policy that proposes the orders; None if they are given."""
        ...

    @property
    def blocks(self) -> tuple[int, ...]:
        """Blocks before which patches are ordered, ascending, the first of them 0."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """What it needs besides patches: ``{"pixels"}``."""
        ...

    def proposal(self, sequence: PatchSequence, block: int, training: bool) -> Proposal:
        """The proposal before a block."""
        ...


@dataclass(frozen=True)
class ByPolicy:
    """The orders of a policy.

    Args:
        policy: the policy.
        sample: use its proposals instead of its best order; None: only while the model trains.
    """

    policy: Policy
    sample: bool | None = None

    @property
    def blocks(self) -> tuple[int, ...]:
        """The policy's blocks."""
        return self.policy.blocks

    @property
    def needs(self) -> frozenset[str]:
        """What the policy needs."""
        return frozenset(self.policy.needs)

    def proposal(self, sequence: PatchSequence, block: int, training: bool) -> Proposal:
        """A proposal, or the best order."""
        if training if self.sample is None else self.sample:
            return self.policy.propose(sequence, block)
        return Proposal(self.policy.best_order(sequence, block), block=block)


@dataclass(frozen=True)
class Given:
    """The same proposals for every batch.

    Args:
        proposals: one for each block.
        policy: always None.
    """

    proposals: tuple[Proposal, ...]
    policy: None = None

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks that have a proposal."""
        return tuple(sorted(proposal.block for proposal in self.proposals))

    @property
    def needs(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def proposal(self, sequence: PatchSequence, block: int, training: bool) -> Proposal:
        """The block's proposal."""
        return next(proposal for proposal in self.proposals if proposal.block == block)


def reading_order(orders: tuple[Proposal | Order | Policy, ...], sample: bool) -> ReadingOrder:
    """Turn the arguments of ``Model.ordered_by`` into a reading order.

    Raises:
        ReorderKitError: if they are not proposals for different blocks, one order, or one policy.
    """
    match orders:
        case [Policy() as policy]:
            return ByPolicy(policy, sample)
        case [Order() as order]:
            return Given((Proposal(order),))
    proposals = tuple(each for each in orders if isinstance(each, Proposal))
    blocks = {proposal.block for proposal in proposals}
    if 0 not in blocks or len(blocks) < len(orders):
        raise ReorderKitError(
            "ordered_by takes proposals for different blocks, including block 0, or one order, or one policy"
        )
    return Given(proposals)
