"""The tokens of a sequence as a model that walks along it comes to them, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.interfaces import Encoded, Order, PatchSequence
from reorder_kit.layers.walking_order import ClsPosition, walking_order


@dataclass(frozen=True)
class WalkedTokens:
    """Patches with CLS in its place and padding, whatever was in it, as zeros behind them.

    Args:
        sequence: what was walked along.
        order: of ``[patches, CLS]``.
        tokens: in that order, float32 at least, since residuals are added up in it.
        lengths: tokens of each image that are no padding; None if none is.
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
        """Put the tokens in the sequence in which they are walked.

        Args:
            sequence: the patches.
            cls_token: of each image.
            cls_position: where CLS stands.
        """
        patches = sequence.patches
        if sequence.valid is not None:  # a mixer gives padding no weight, but no weight times NaN is NaN
            patches = patches.masked_fill(~sequence.valid.unsqueeze(-1), 0)
        tokens = patches if cls_token is None else torch.cat([patches, cls_token], dim=1)
        order = walking_order(sequence, cls_position)
        tokens = order.apply(tokens.to(torch.promote_types(tokens.dtype, torch.float32)))
        extra = tokens.shape[1] - sequence.num_slots
        lengths = None if sequence.valid is None else sequence.valid.sum(dim=1) + extra
        return cls(sequence, order, tokens, lengths, cls_token is not None)

    def encoded(self, tokens: Float[Tensor, "batch token dim"]) -> Encoded:
        """Bring what blocks have made of the tokens back into slots."""
        restored = self.order.restore(tokens)
        slots = self.sequence.num_slots
        cls_token = restored[:, slots:] if self.has_cls else None
        return Encoded(self.sequence.with_patches(restored[:, :slots]), cls_token)
