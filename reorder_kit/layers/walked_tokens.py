"""The tokens of a sequence in the order in which a model walks along it, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.interfaces import Encoded, Order, PatchSequence
from reorder_kit.layers.walking_order import ClsPosition, walking_order


@dataclass(frozen=True)
class WalkedTokens:
    """Patches with CLS in its place, followed by padding as zeros, whatever it held.

    Args:
        sequence: the walked sequence.
        order: the order of ``[patches, CLS]``.
        tokens: the tokens in that order, in at least float32, in which residuals are added.
        lengths: number of tokens of each image without padding; None if there is no padding.
        has_cls: whether there is a CLS.
    """

    sequence: PatchSequence
    order: Order
    tokens: Float[Tensor, "batch token dim"]
    lengths: Int[Tensor, " batch"] | None
    has_cls: bool

    @classmethod
    def of(
        cls,
        sequence: PatchSequence,
        cls_token: Float[Tensor, "batch 1 dim"] | None,
        cls_position: ClsPosition | None,
    ) -> WalkedTokens:
        """Put the tokens in the sequence of the walk.

        Args:
            sequence: the patches.
            cls_token: the CLS token of each image.
            cls_position: the place of CLS.
        """
        patches = sequence.patches
        if sequence.valid is not None:  # a mixer gives padding a weight of 0, but 0 times NaN is NaN
            patches = patches.masked_fill(~sequence.valid.unsqueeze(-1), 0)
        tokens = patches if cls_token is None else torch.cat([patches, cls_token], dim=1)
        order = walking_order(sequence, cls_position)
        tokens = order.apply(tokens.to(torch.promote_types(tokens.dtype, torch.float32)))
        extra = tokens.shape[1] - sequence.num_slots
        lengths = None if sequence.valid is None else sequence.valid.sum(dim=1) + extra
        return cls(sequence, order, tokens, lengths, cls_token is not None)

    def encoded(self, tokens: Float[Tensor, "batch token dim"]) -> Encoded:
        """Move the tokens after the blocks back into slots."""
        restored = self.order.restore(tokens)
        slots = self.sequence.num_slots
        cls_token = restored[:, slots:] if self.has_cls else None
        return Encoded(self.sequence.with_patches(restored[:, :slots]), cls_token)
