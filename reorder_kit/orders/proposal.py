"""What a policy proposes for one batch: an order, or a soft permutation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, overload

from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.order import Order
from reorder_kit.orders.sequence import PatchSequence
from reorder_kit.orders.soft_permutation import SoftPermutation


@dataclass(frozen=True)
class Proposal:
    """A hard order, or a soft permutation together with the hard order that it represents.

    Args:
        order: the hard order.
        soft: the soft permutation that is applied instead in this pass, if any.
        log_prob: log-probability of the order under the policy, one for each row of ``order.indices``.
        is_exact: the soft permutation is hard in the forward pass (straight-through), so no slot sees another's patch.
        block: the block before which it is applied. Before a later block, its patches are the slots of the block's
            input.
        aux: anything else that the policy computed and needs in its loss, such as the logits of an auxiliary head.
    """

    order: Order
    soft: SoftPermutation | None = None
    log_prob: Float[Tensor, " row"] | None = None
    is_exact: bool = True
    block: int = 0
    aux: Any = None

    @classmethod
    def straight_through(cls, order: Order, soft: SoftPermutation, block: int = 0) -> Proposal:
        """A proposal that is hard in the forward pass and soft in the gradient."""
        return cls(order, soft.straight_through(order), block=block)

    @classmethod
    def mixture(cls, order: Order, soft: SoftPermutation, block: int = 0) -> Proposal:
        """A proposal that is soft forward and backward: a slot holds a mixture of patches, including later ones."""
        return cls(order, soft, is_exact=False, block=block)

    def log_prob_per_image(self, batch: int) -> Float[Tensor, " batch"]:
        """The log-probability of each image's order, whether or not images share orders.

        For proposals before several blocks, each drawn given the earlier ones, add these up.

        Args:
            batch: number of images.

        Raises:
            ReorderKitError: if the order was not drawn, or was proposed for another number of images.
        """
        if self.log_prob is None:
            raise ReorderKitError("a proposal that was not drawn has no log-probability")
        if self.order.is_static:
            return self.log_prob.expand(batch)
        rows = self.log_prob if self.order.groups is None else self.log_prob[self.order.groups]
        if len(rows) != batch:
            raise ReorderKitError(f"orders proposed for {len(rows)} images cannot be used for {batch}")
        return rows

    @overload
    def apply(self, sequence: PatchSequence) -> PatchSequence: ...

    @overload
    def apply(self, sequence: Float[Tensor, "batch patch dim"]) -> Float[Tensor, "batch slot dim"]: ...

    def apply(self, sequence: PatchSequence | Tensor) -> PatchSequence | Tensor:
        """Move the patches and everything that belongs to them; patches alone may be a tensor.

        Validity, pixels and the known order follow the hard order, because they cannot be mixed.
        """
        if isinstance(sequence, Tensor):
            return (self.soft or self.order).apply(sequence)
        patches = (self.soft or self.order).apply(sequence.patches)
        valid = None if sequence.valid is None else self.order.apply(sequence.valid)
        pixels = None if sequence.pixels is None else self.order.apply(sequence.pixels)
        order = self.order if sequence.order is None else sequence.order.compose(self.order)
        return replace(sequence, patches=patches, order=order, valid=valid, pixels=pixels)

    @overload
    def restore(self, sequence: PatchSequence) -> PatchSequence: ...

    @overload
    def restore(self, sequence: Float[Tensor, "batch slot dim"]) -> Float[Tensor, "batch patch dim"]: ...

    def restore(self, sequence: PatchSequence | Tensor) -> PatchSequence | Tensor:
        """Undo :meth:`apply`: back to row-major order, or to the slots of the proposal that was applied before.

        A patch that a partial order left out is marked invalid. The order of the result is unknown; restore several
        proposals from last to first.
        """
        if isinstance(sequence, Tensor):
            return (self.soft or self.order).restore(sequence)
        patches = (self.soft or self.order).restore(sequence.patches)
        pixels = None if sequence.pixels is None else self.order.restore(sequence.pixels)
        return replace(sequence, patches=patches, order=None, valid=self._restored_valid(sequence), pixels=pixels)

    def _restored_valid(self, sequence: PatchSequence) -> Bool[Tensor, "batch patch"] | None:
        if sequence.valid is not None:
            return self.order.restore(sequence.valid)
        return None if self.order.is_full else self.order.has_slot(sequence.batch)
