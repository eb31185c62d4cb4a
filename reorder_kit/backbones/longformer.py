"""Longformer along the sequence of patches."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import AttentionMaps, Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.interfaces.numbers import Slots
from reorder_kit.layers.attention_maps import windowed_attention_maps
from reorder_kit.layers.attention_positions import AttentionPositions
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.position_options import AttentionPositionOptions, check_fit, idle_positions
from reorder_kit.layers.positions import added_positions, check_positions
from reorder_kit.layers.readout import last_slot, mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.slot_embedding import SlotEmbedding
from reorder_kit.layers.transformer_options import TransformerSizeOptions, check_shape
from reorder_kit.orders.grid import Grid


class Longformer(Backbone):
    """Longformer (Beltagy et al., 2020, https://arxiv.org/abs/2004.05150): a window for patches, everything for CLS.

    A slot sees itself, ``window`` slots on either side, and the CLS token, which sees all slots through its own
    projections. CLS takes no slot. It exists only with the readout ``cls``; with ``mean`` and ``last`` there is no
    global attention. Windows skip padding: the output is that of the sequence without it. Time and memory grow in
    proportion to the number of slots.

    As everywhere here, a window is counted per side. ``attention_window`` in transformers covers both sides: its 28 is
    our 14. For REOrder (https://arxiv.org/abs/2505.23751) the paper gives a window of 14, but the released code sets
    ``attention_window`` to 50, our 25.

    What CLS sees does not depend on the order of the patches, so with the readout ``cls`` a single block is blind to
    it. In the last block, the projections of patches only serve heads that read patches; CLS does not use them.

    Blocks are pre-norm and initialized as in ViT. The base size with sincos positions for 196 patches of 16 px and
    1,000 classes has 107,677,672 parameters. REOrder's 107,683,048 include seven more vectors of width 768: norms
    before and after the patch projection (4), an embedding of the token type (1), and a norm after the positions (2).
    Its blocks are post-norm, which does not change the number.
    """

    name = "longformer"
    needs = frozenset({"order"})  # for rotary and relative positions in the image

    class Options(TransformerSizeOptions, AttentionPositionOptions):
        window: Slots = Field(14, description="slots seen on each side besides the slot itself, slots")
        readout: Literal["cls", "mean", "last"] = Field(
            "cls", description="what summarizes the sequence; cls adds a token with global attention"
        )

        @model_validator(mode="after")
        def _fits(self) -> Longformer.Options:
            shape = self.shape()
            check_shape(shape, self.positions)
            check_fit(self.positions, self.slot_positions, shape.dim, shape.heads)
            if self.window == 0 and self.act_in_attention():
                raise ValueError("with window 0 slots see no other slot, so rope and relative have nothing to act on")
            return self

    options: Longformer.Options

    @classmethod
    def facts(cls, options: Longformer.Options, image: ImageShape) -> BackboneFacts:
        """Blind to the order if every slot sees only itself or all slots and has no position; not causal, because
        windows look ahead."""
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        return BackboneFacts(
            grid,
            shape.dim,
            shape.depth,
            is_causal=_sees_no_other(options),
            order_sensitive=_is_order_sensitive(options, grid.num_patches),
            slots_order_sensitive=_tells_slots_apart(options, grid.num_patches),
            has_positions=added_positions(options.positions) != "none",
            idle=_idle(options, grid),
        )

    def __init__(self, options: Longformer.Options, image: ImageShape) -> None:
        # Imported on first use: timm and FlexAttention take seconds.
        from timm.models.vision_transformer import init_weights_vit_timm

        from reorder_kit.layers.attention_block import AttentionBlock
        from reorder_kit.layers.windowed_attention import WindowedAttention

        super().__init__(options, image)
        shape = options.shape()
        self.embedding = PatchEmbedding(
            image, patch_geometry(options, image), self.dim, added_positions(options.positions)
        )
        self.slot_embedding = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)
        cls = options.readout == "cls"
        self.cls_token = learned_vectors(1, 1, self.dim) if cls else None
        self.blocks = nn.ModuleList(
            AttentionBlock(
                WindowedAttention(
                    self.dim, shape.heads, options.window, dropout=options.dropout, num_global=1 if cls else 0
                ),
                self.dim,
                options.mlp_ratio,
                options.dropout,
                drop_path,
            )
            for drop_path in drop_path_rates(options.drop_path, self.depth)
        )
        self.blocks.apply(init_weights_vit_timm)
        farthest = min(options.window, self.grid.num_patches - 1)
        self.places = AttentionPositions(options, self.grid, self.dim // shape.heads, shape.heads, farthest)
        self.norm = nn.LayerNorm(self.dim)

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
        """Run the blocks ``start`` to ``stop``, CLS before the patches."""
        extra_tokens = starting_tokens(self.cls_token, extra_tokens, sequence, start)
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = self.slot_embedding(sequence)
        tokens = sequence.patches if extra_tokens is None else torch.cat([extra_tokens, sequence.patches], dim=1)
        places = self.places(sequence, num_before=tokens.shape[1] - sequence.num_slots)
        for index in blocks:
            tokens = run_block(
                self.blocks[index], tokens, sequence.valid, places, recompute=self.options.gradient_checkpointing
            )
        if self.depth - 1 in blocks:
            tokens = self.norm(tokens)
        rest, patches = tokens[:, : -sequence.num_slots], tokens[:, -sequence.num_slots :]
        return Encoded(sequence.with_patches(patches), None if extra_tokens is None else rest)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The CLS token, the mean of all slots, or the last slot."""
        if encoded.extra_tokens is not None:
            return encoded.extra_tokens[:, 0]
        return last_slot(encoded.sequence) if self.options.readout == "last" else mean_slot(encoded.sequence)

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot; with the readout ``last``, those within ``depth`` windows of it."""
        if self.options.readout != "last":
            return torch.ones(num_slots, dtype=torch.bool)
        return torch.arange(num_slots) >= num_slots - 1 - self.depth * self.options.window

    def attention(self, sequence: PatchSequence) -> AttentionMaps:
        """The window of each slot and CLS, which comes before the slots and sees everything."""
        return windowed_attention_maps(
            self, self.blocks, sequence, num_before=0 if self.cls_token is None else 1, num_after=0
        )


def _idle(options: Longformer.Options, grid: Grid) -> dict[str, str]:
    """A window that covers the whole sequence, and positions that distinguish nothing."""
    found, most = idle_positions(options, grid, sees_cls=options.readout == "cls"), grid.num_patches - 1
    if options.window >= most:
        found["window"] = f"it holds all {grid.num_patches} slots, as does any window from {most} on"
    return found


def _sees_no_other(options: Longformer.Options) -> bool:
    """Whether a slot sees no other slot, not even through CLS, which has seen them in the previous block."""
    return options.window == 0 and (options.readout != "cls" or options.shape().depth == 1)


def _is_order_sensitive(options: Longformer.Options, num_patches: int) -> bool:
    """Insensitive if blocks and readout treat all slots alike."""
    if num_patches == 1:
        return False
    if options.readout == "last" or options.slot_positions in ("learned", "sincos"):
        return True
    # In a single block, CLS sees patches that have not seen each other.
    blind = options.readout == "cls" and options.shape().depth == 1
    return not blind and _tells_slots_apart(options, num_patches)


def _tells_slots_apart(options: Longformer.Options, num_patches: int) -> bool:
    """Whether blocks treat slots differently; they do not if every slot sees only itself, or all slots.

    Positions in the image move with the patches; those in the sequence do not.
    """
    return num_patches > 1 and (options.slot_positions != "none" or 0 < options.window < num_patches - 1)


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Longformer."""
    return [Longformer]
