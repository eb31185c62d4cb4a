"""The common part of backbones that walk along the sequence with a state."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.readout import first_slot, last_slot, mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.slot_embedding import SlotEmbedding
from reorder_kit.layers.walked_tokens import WalkedTokens
from reorder_kit.layers.walking_options import WalkingOptions


class WalkingBackbone(Backbone):
    """Blocks that walk along ``[patches, CLS]`` in one direction or both; padding is walked last and changes nothing.

    A backbone derives its options from :class:`~reorder_kit.layers.walking_options.WalkingOptions` and defines its
    block (:meth:`build_block`). The residual is float32 under any autocast.

    The readout ``last`` reads each direction where it ends: when bidirectional, the mean of the last and the first
    slot. A CLS token at an end is where one of two directions starts, so in the last block it receives only the other
    one.

    Args:
        options: options of the recipe.
        image: the images or clips it will read.
    """

    options: WalkingOptions

    @classmethod
    def facts(cls, options: WalkingOptions, image: ImageShape) -> BackboneFacts:
        """Always sensitive to the order; causal with ``bidirectional: false``, wherever CLS is."""
        grid = patch_geometry(options, image).grid
        _refuse_blind_cls(options, grid.num_patches)
        check_positions(options.positions, grid, options.width())
        return BackboneFacts(
            grid,
            options.width(),
            options.blocks(),
            is_causal=not options.bidirectional,
            order_sensitive=grid.num_patches > 1,
            has_positions=options.positions != "none",
            no_influence="what was read long ago may be forgotten down to the last bit",
        )

    def __init__(self, options: WalkingOptions, image: ImageShape) -> None:
        super().__init__(options, image)
        self.cls_position = options.place_of_cls()
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), self.dim, options.positions)
        self.slot_embedding = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)
        self.cls_token = None if self.cls_position is None else learned_vectors(1, 1, self.dim)
        rates = drop_path_rates(options.drop_path, self.depth)
        self.blocks = nn.ModuleList(self.build_block(drop_path) for drop_path in rates)
        self.norm = nn.RMSNorm(self.dim, eps=1e-5)

    @abstractmethod
    def build_block(self, drop_path: float) -> nn.Module:
        """Build a block, called with tokens, padding last, and the number of valid ones per image, or None if all are.

        Args:
            drop_path: stochastic depth, probability.
        """

    def tokenize(self, images: Float[Tensor, "batch channels *frame height width"]) -> PatchSequence:
        """Cut images, or every frame of clips, into row-major patches."""
        sequence: PatchSequence = self.embedding(images)
        return sequence

    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop``.

        Raises:
            ReorderKitError: if there is a single slot, and CLS in the middle sees only what comes before it.
        """
        _refuse_blind_cls(self.options, sequence.num_slots)
        extra_tokens = starting_tokens(self.cls_token, extra_tokens, sequence, start)
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = self.slot_embedding(sequence)
        walked = WalkedTokens.of(sequence, extra_tokens, self.cls_position)
        tokens = walked.tokens
        for index in blocks:
            tokens = self._block(index, tokens, walked.lengths)
        if self.depth - 1 in blocks:
            tokens = self.norm(tokens.to(self.norm.weight.dtype))
        return walked.encoded(tokens)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The CLS token, the mean of all slots, or the slot where each direction ends."""
        if encoded.extra_tokens is not None:
            return encoded.extra_tokens[:, 0]
        if self.options.readout == "mean":
            return mean_slot(encoded.sequence)
        last = last_slot(encoded.sequence)
        return (last + first_slot(encoded.sequence)) / 2 if self.options.bidirectional else last

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot; or those before CLS, if it is in the middle and there is a single direction."""
        reached = torch.ones(num_slots, dtype=torch.bool)
        if self.cls_position == "middle" and not self.options.bidirectional:
            reached[num_slots // 2 :] = False
        return reached

    def _block(
        self, index: int, tokens: Float[Tensor, "batch token dim"], lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch token dim"]:
        recompute = self.options.gradient_checkpointing
        mixed: Tensor = run_block(self.blocks[index], tokens, lengths, recompute=recompute)
        return mixed


def _refuse_blind_cls(options: WalkingOptions, slots: int) -> None:
    if slots == 1 and options.place_of_cls() == "middle" and not options.bidirectional:
        raise ReorderKitError(
            "CLS in the middle of a single slot comes before it and never sees it",
            "set cls_position: end, or bidirectional: true",
        )
