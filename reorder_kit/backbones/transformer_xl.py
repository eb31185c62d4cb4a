"""Transformer-XL along the sequence of patches."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone, BackboneFacts, Encoded, ImageShape, Order, PatchSequence
from reorder_kit.interfaces.numbers import Slots, Whole
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.position_options import AddedPositionOptions, check_fit
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.readout import last_slot, mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.relative_attention import RelativeAttention, SegmentContext
from reorder_kit.layers.slot_embedding import SlotEmbedding
from reorder_kit.layers.slot_positions import distance_sinusoids
from reorder_kit.layers.transformer_options import TransformerSizeOptions, check_shape
from reorder_kit.ops.reach import propagate_reach
from reorder_kit.ops.segments import Segments


class TransformerXL(Backbone):
    """Transformer-XL (Dai et al., 2019, https://arxiv.org/abs/1901.02860): segments of patches with a memory.

    In every block a slot sees its segment, up to itself when causal, and the ``memory`` slots before the segment, as
    they entered this block. Attention in every block depends on the distance between slots. With ``slot_positions:
    none``, these distances are the positions in the sequence; other ones are added to them.

    The gradient stops at the memory, as published. With the readouts ``last`` and ``cls`` patches before the last
    segment thus influence the output and are within ``reach``, but nothing teaches the model what to write into the
    memory; ``mean`` reads all segments, and ``memory_gradient`` lets the gradient through.

    Segments are cut from the end, so that the last one, through which a readout at the end learns, is full; the first
    one may be shorter. The CLS token of the readout ``cls`` is at the end and takes a slot of the last segment. Padding
    takes no slot: the output is that of the sequence without it.

    Time and memory are proportional to the number of slots, for a given segment and memory.

    Blocks are those of ViT (pre-norm, GELU), whereas the paper has post-norm and ReLU. All blocks share the biases u
    and v, as in the paper's formula. The base size with 196 patches of 16 px, CLS and 1,000 classes has 93,609,448
    parameters. REOrder (https://arxiv.org/abs/2505.23751) has 155,136 more: a learned table of 197 distances in place
    of our sines and cosines (151,296), two norms in the patch embedding (3,072) and a position for CLS (768). In its
    released code CLS comes first, sees all slots and is seen by all, and the memory stays empty: the closest setting
    here is one ``segment`` of 197.
    """

    name = "transformer-xl"

    class Options(TransformerSizeOptions, AddedPositionOptions):
        segment: Whole = Field(128, ge=1, le=1_000_000, description="slots of a segment")
        memory: Slots = Field(128, description="slots before its segment that a slot sees, slots")
        causal: bool = Field(True, description="see earlier slots only")
        memory_gradient: bool = Field(False, description="let the gradient flow into the memory")
        readout: Literal["last", "mean", "cls"] = Field("mean", description="what summarizes the sequence")

        def unused(self) -> dict[str, str]:
            """Options of the memory, if there is none."""
            found = super().unused()
            return found if self.memory else {**found, "memory_gradient": "there is no memory"}

        @model_validator(mode="after")
        def _fits(self) -> TransformerXL.Options:
            shape = self.shape()
            check_shape(shape, self.positions)
            check_fit(self.positions, self.slot_positions, shape.dim, shape.heads)
            if shape.dim % 2:
                raise ValueError(f"sines and cosines of distances share dim, which must be even, not {self.dim}")
            learns_from_memory = self.memory > 0 and self.memory_gradient
            if self.readout == "cls" and self.segment == 1 and not learns_from_memory:
                raise ValueError("with segment 1 the CLS token is alone in the last segment and learns from no patch")
            return self

    options: TransformerXL.Options

    @classmethod
    def facts(cls, options: TransformerXL.Options, image: ImageShape) -> BackboneFacts:
        """Causal with ``causal: true`` or segments of 1; blind to the order if slots see only themselves."""
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        tells_apart = _tells_slots_apart(options)
        return BackboneFacts(
            grid,
            shape.dim,
            shape.depth,
            is_causal=options.causal or options.segment == 1,
            order_sensitive=grid.num_patches > 1 and (options.readout != "mean" or tells_apart),
            slots_order_sensitive=grid.num_patches > 1 and tells_apart,
            has_positions=options.positions != "none",
            idle=_idle(options, grid.num_patches),
            no_influence="no gradient flows into the memory of earlier segments",
        )

    def __init__(self, options: TransformerXL.Options, image: ImageShape) -> None:
        super().__init__(options, image)
        shape = options.shape()
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), self.dim, options.positions)
        self.slot_embedding = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)
        self.cls_token = learned_vectors(1, 1, self.dim) if options.readout == "cls" else None
        self.content_bias, self.position_bias = (
            learned_vectors(shape.heads, self.dim // shape.heads) for _ in range(2)
        )
        self.blocks = nn.ModuleList(
            _Block(options, drop_path) for drop_path in drop_path_rates(options.drop_path, self.depth)
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
        """Run the blocks ``start`` to ``stop``, each over all segments at once.

        A segment's memory in a block is that block's input in earlier slots. So a block needs only its own input, and
        going block by block is the same as going segment by segment with the memory of all blocks.
        """
        extra_tokens = starting_tokens(self.cls_token, extra_tokens, sequence, start)
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = self.slot_embedding(sequence)
        patches, valid, padding_first = sequence.patches, sequence.valid, None
        if valid is not None:
            # Segments are cut from the end, so padding goes to the front.
            padding_first = Order.trusted(valid.int().argsort(dim=1, stable=True), sequence.num_slots)
            patches, valid = padding_first.apply(patches), padding_first.apply(valid)
        tokens = patches if extra_tokens is None else torch.cat([patches, extra_tokens], dim=1)
        context = self._context(tokens, valid)
        for index in blocks:
            tokens = run_block(self.blocks[index], tokens, context, recompute=self.options.gradient_checkpointing)
        if self.depth - 1 in blocks:
            tokens = self.norm(tokens)
        patches, rest = tokens[:, : sequence.num_slots], tokens[:, sequence.num_slots :]
        if padding_first is not None:
            patches = padding_first.restore(patches)
        return Encoded(sequence.with_patches(patches), None if extra_tokens is None else rest)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The last slot, the mean of all slots, or the CLS token."""
        if encoded.extra_tokens is not None:
            return encoded.extra_tokens[:, 0]
        return last_slot(encoded.sequence) if self.options.readout == "last" else mean_slot(encoded.sequence)

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """The slots that influence the readout through segments and memories, whether or not a gradient flows back."""
        if self.options.readout == "mean":
            return torch.ones(num_slots, dtype=torch.bool)
        segments = self._segments(num_slots if self.cls_token is None else num_slots + 1)
        read = torch.zeros(segments.num_tokens, dtype=torch.bool)
        read[-1] = True
        return propagate_reach(read, segments.sees(self.options.causal), self.depth)[:num_slots]

    def _segments(self, num_tokens: int) -> Segments:
        return Segments.of_sequence(num_tokens, self.options.segment, self.options.memory)

    def _context(
        self, tokens: Float[Tensor, "batch token dim"], valid: Bool[Tensor, "batch slot"] | None
    ) -> SegmentContext:
        """What all blocks share."""
        segments, causal = self._segments(tokens.shape[1]), self.options.causal
        if valid is not None:
            valid = nn.functional.pad(valid, (0, tokens.shape[1] - valid.shape[1]), value=True)
        farthest, nearest = segments.memory + segments.size - 1, 0 if causal else 1 - segments.size
        return SegmentContext(
            segments,
            segments.visible(causal, valid, tokens.device),
            distance_sinusoids(farthest, nearest, self.dim, tokens.device).to(tokens.dtype),
            self.content_bias,
            self.position_bias,
        )


class _Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, options: TransformerXL.Options, drop_path: float) -> None:
        # Imported on first use: timm takes seconds.
        from timm.layers import DropPath, Mlp

        super().__init__()
        shape = options.shape()
        self.memory_gradient = options.memory_gradient
        self.norm1 = nn.LayerNorm(shape.dim)
        self.attention = RelativeAttention(shape.dim, shape.heads, options.dropout)
        self.norm2 = nn.LayerNorm(shape.dim)
        self.mlp = Mlp(shape.dim, int(shape.dim * options.mlp_ratio), drop=options.dropout)
        self.drop_path = DropPath(drop_path)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], context: SegmentContext
    ) -> Float[Tensor, "batch token dim"]:
        past = None
        if context.segments.memory > 0 and not self.memory_gradient:
            # The weights still learn from the memory, but no gradient flows into what it holds.
            past = self.norm1(context.segments.before_last(tokens).detach())
        tokens = tokens + self.drop_path(self.attention(self.norm1(tokens), past, context))
        mixed: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return mixed


def _idle(options: TransformerXL.Options, num_patches: int) -> dict[str, str]:
    """The memory, if there is only one segment, and the direction, if segments are single slots."""
    tokens = num_patches + (options.readout == "cls")
    found = {}
    if options.memory > 0 and tokens <= options.segment:
        found["memory"] = f"all {tokens} slots fit into one segment of {options.segment}"
        if options.memory_gradient:
            found["memory_gradient"] = "the memory stays empty"
    if options.segment == 1 or tokens == 1:
        found["causal"] = "a segment is a single slot"
    return found


def _tells_slots_apart(options: TransformerXL.Options) -> bool:
    """Whether blocks treat slots differently; they do not if every slot sees only itself."""
    return options.segment > 1 or options.memory > 0 or options.slot_positions != "none"


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Transformer-XL."""
    return [TransformerXL]
