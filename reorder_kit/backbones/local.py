"""Local attention along the sequence."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import AttentionMaps, Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.interfaces.numbers import Depth, Fraction, Positive, Ratio, Size, Slots
from reorder_kit.layers.attention_maps import windowed_attention_maps
from reorder_kit.layers.attention_positions import AttentionPositions
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import PatchOptions, patch_geometry
from reorder_kit.layers.position_options import AttentionPositionOptions, check_fit, idle_positions
from reorder_kit.layers.positions import added_positions, check_positions
from reorder_kit.layers.readout import last_slot, mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.slot_embedding import SlotEmbedding
from reorder_kit.orders.grid import Grid


class Local(Backbone):
    """Self-attention in which a slot sees only its neighbors in the sequence.

    These are the 1-D local neighborhoods of the Image Transformer (Parmar et al., 2018,
    https://arxiv.org/abs/1802.05751): which patches a model can relate depends on how close they are in the sequence.
    Blocks are pre-norm, with timm's parameter names.

    A window of w covers the slot itself, w slots before it and, unless attention is causal, w slots after it. Other
    libraries count differently: Longformer's ``attention_window`` in transformers covers both sides (2w), and Mistral's
    ``sliding_window`` includes the slot itself (w + 1).

    The CLS token of the readout ``cls`` is at the end of the sequence and takes part in windows like any slot; it has a
    position in the sequence, but none in the image. Windows skip padding: the output is that of the sequence without
    it.

    Time and memory grow in proportion to the number of slots.
    """

    name = "local"
    needs = frozenset({"order"})  # for rotary and relative positions in the image

    class Options(PatchOptions, AttentionPositionOptions):
        window: Slots = Field(2, description="slots seen on a side besides the slot itself, slots")
        causal: bool = Field(True, description="see earlier slots only")
        readout: Literal["last", "mean", "cls"] = Field("last", description="what summarizes the sequence")
        depth: Depth = Field(2, description="blocks")
        dim: Size = Field(32, description="width of the embedding")
        heads: Size = Field(4, description="attention heads; they divide dim")
        mlp_ratio: Ratio = Field(4.0, description="width of the hidden layer of an MLP, times dim")
        dropout: Fraction = Field(0.0, description="dropout after attention and in the MLP, probability")
        drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
        init_scale: Positive = Field(
            1.0,
            description="starting weights of the blocks, times the usual ones; above 1, a block is far from linear at "
            "the first step",
        )
        gradient_checkpointing: bool = Field(
            False, description="recompute blocks in the backward pass: less memory, more time"
        )

        @model_validator(mode="after")
        def _fits(self) -> Local.Options:
            if self.dim % self.heads:
                raise ValueError(f"dim {self.dim} is not divisible by {self.heads} heads")
            check_fit(self.positions, self.slot_positions, self.dim, self.heads)
            if self.readout == "cls" and self.window == 0:
                raise ValueError("with window 0 the CLS token sees no patch")
            if self.window == 0 and self.act_in_attention():
                raise ValueError("with window 0 slots see no other slot, so rope and relative have nothing to act on")
            return self

    options: Local.Options

    @classmethod
    def facts(cls, options: Local.Options, image: ImageShape) -> BackboneFacts:
        """Causal with ``causal: true`` or window 0; blind to the order if slots and readout all see the same."""
        grid = patch_geometry(options, image).grid
        check_positions(options.positions, grid, options.dim)
        return BackboneFacts(
            grid,
            options.dim,
            options.depth,
            is_causal=options.causal or options.window == 0,
            order_sensitive=_is_order_sensitive(options, grid.num_patches),
            slots_order_sensitive=_tells_slots_apart(options, grid.num_patches),
            has_positions=added_positions(options.positions) != "none",
            idle=_idle(options, grid),
        )

    def __init__(self, options: Local.Options, image: ImageShape) -> None:
        # Imported on first use: timm and FlexAttention take seconds.
        from reorder_kit.layers.attention_block import AttentionBlock
        from reorder_kit.layers.windowed_attention import WindowedAttention

        super().__init__(options, image)
        geometry = patch_geometry(options, image)
        self.embedding = PatchEmbedding(image, geometry, self.dim, added_positions(options.positions))
        self.slot_embedding = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)
        self.cls_token = learned_vectors(1, 1, self.dim) if options.readout == "cls" else None
        self.blocks = nn.ModuleList(
            AttentionBlock(
                WindowedAttention(self.dim, options.heads, options.window, options.causal, options.dropout),
                self.dim,
                options.mlp_ratio,
                options.dropout,
                drop_path,
            )
            for drop_path in drop_path_rates(options.drop_path, self.depth)
        )
        for layer in self.blocks.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.data.mul_(options.init_scale)
        num_cls = int(options.readout == "cls")
        self.places = AttentionPositions(
            options,
            self.grid,
            self.dim // options.heads,
            options.heads,
            min(options.window, self.grid.num_patches - 1 + num_cls),
            options.causal,
            num_after=num_cls,
        )
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
        """Run the blocks ``start`` to ``stop``."""
        extra_tokens = starting_tokens(self.cls_token, extra_tokens, sequence, start)
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = self.slot_embedding(sequence)
        tokens = sequence.patches if extra_tokens is None else torch.cat([sequence.patches, extra_tokens], dim=1)
        places = self.places(sequence)
        valid = sequence.valid
        if valid is not None:
            valid = nn.functional.pad(valid, (0, tokens.shape[1] - sequence.num_slots), value=True)
        for index in blocks:
            tokens = run_block(self.blocks[index], tokens, valid, places, recompute=self.options.gradient_checkpointing)
        if self.depth - 1 in blocks:
            tokens = self.norm(tokens)
        patches, rest = tokens[:, : sequence.num_slots], tokens[:, sequence.num_slots :]
        return Encoded(sequence.with_patches(patches), None if extra_tokens is None else rest)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The last slot, the mean of all slots, or the CLS token."""
        if encoded.extra_tokens is not None:
            return encoded.extra_tokens[:, 0]
        return last_slot(encoded.sequence) if self.options.readout == "last" else mean_slot(encoded.sequence)

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """The slots within ``depth`` windows of the readout."""
        if self.options.readout == "mean":
            return torch.ones(num_slots, dtype=torch.bool)
        read = num_slots if self.cls_token is not None else num_slots - 1
        return torch.arange(num_slots) >= read - self.depth * self.options.window

    def attention(self, sequence: PatchSequence) -> AttentionMaps:
        """The window of each token, CLS after the slots."""
        return windowed_attention_maps(
            self, self.blocks, sequence, num_before=0, num_after=0 if self.cls_token is None else 1
        )


def _idle(options: Local.Options, grid: Grid) -> dict[str, str]:
    """A window that covers the whole sequence, the direction if a slot sees only itself, and positions that distinguish
    nothing."""
    cls = options.readout == "cls"
    found, tokens = idle_positions(options, grid, cls and not options.causal, cls), grid.num_patches + cls
    if options.window >= tokens - 1:
        found["window"] = f"it holds all {tokens} slots, as does any window from {tokens - 1} on"
    if min(options.window, tokens - 1) == 0:
        found["causal"] = "a slot sees only itself"
    return found


def _is_order_sensitive(options: Local.Options, num_patches: int) -> bool:
    """Insensitive if blocks and readout treat all slots alike."""
    if num_patches > 1 and options.readout == "last":
        return True
    # In a single block, CLS sees patches that have not seen each other, so causality changes nothing.
    blind = options.readout == "cls" and options.depth == 1 and options.slot_positions == "none"
    return _tells_slots_apart(options, num_patches) and not (blind and options.window >= num_patches)


def _tells_slots_apart(options: Local.Options, num_patches: int) -> bool:
    """Whether blocks treat slots differently; they do not if every slot sees only itself, or all tokens.

    Positions in the image move with the patches; those in the sequence do not.
    """
    if num_patches == 1 or options.slot_positions != "none":
        return num_patches > 1
    farthest = num_patches if options.readout == "cls" else num_patches - 1
    return options.window > 0 and (options.causal or options.window < farthest)


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Local attention."""
    return [Local]
