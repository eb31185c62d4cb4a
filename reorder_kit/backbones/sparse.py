"""Sparse attention along the sequence of patches."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import AttentionMaps, Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.layers.attention_maps import windowed_attention_maps
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.readout import last_slot, mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.sparse_options import SparseOptions


class Sparse(Backbone):
    """Self-attention in which a slot sees the slots of a pattern: strided, fixed or bigbird.

    ``strided`` and ``fixed`` are those of Sparse Transformers (Child et al., 2019, https://arxiv.org/abs/1904.10509),
    and every head sees what their two heads see together. A slot sees ``stride`` neighbors on a side and every slot at
    a multiple of ``stride``; or its own block and the last ``num_summary`` slots of every block. ``bigbird`` is that of
    Zaheer et al. (2020, https://arxiv.org/abs/2007.14062): a window of blocks, the first ``num_global`` blocks, and
    ``num_random`` random ones, which are drawn from ``random_seed`` once for each block of the network. Sparse
    Transformers are causal and BigBird is not; here all three can be either.

    Patterns are in the sequence: which patches are related depends on where they stand. A stride of the width of the
    grid relates patches of a column, but in row-major order alone.

    The CLS token of the readout ``cls`` sees all slots whatever the pattern, and is seen by all unless attention is
    causal. It takes no slot, and has the projections of the slots, as in BigBird-ETC. So a single block is blind to the
    order with this readout.

    Padding takes no place in a pattern: the output is that of the sequence without it. Time and memory grow with the
    number of pairs that see each other. Blocks are pre-norm and start as in ViT.
    """

    name = "sparse"

    class Options(SparseOptions):
        readout: Literal["mean", "last", "cls"] = Field(
            "mean", description="what summarises the sequence; cls adds a token with global attention"
        )

    options: Sparse.Options

    @classmethod
    def facts(cls, options: Sparse.Options, image: ImageShape) -> BackboneFacts:
        """Causal with ``causal: true``, or where a slot sees itself alone; blind to the order where slots and readout
        all see the same."""
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        return BackboneFacts(
            grid,
            shape.dim,
            shape.depth,
            is_causal=options.causal or _sees_no_other(options, grid.num_patches),
            order_sensitive=_is_order_sensitive(options, grid.num_patches),
            slots_order_sensitive=_tells_slots_apart(options, grid.num_patches),
            has_positions=options.positions != "none",
            idle=_idle(options, grid.num_patches),
        )

    def __init__(self, options: Sparse.Options, image: ImageShape) -> None:
        # Imported on first use: timm takes seconds.
        from timm.models.vision_transformer import init_weights_vit_timm

        from reorder_kit.layers.attention_block import AttentionBlock
        from reorder_kit.layers.sparse_attention import SparseAttention

        super().__init__(options, image)
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), self.dim, options.positions)
        self.cls_token = learned_vectors(1, 1, self.dim) if options.readout == "cls" else None
        self.blocks = nn.ModuleList(
            AttentionBlock(
                SparseAttention(
                    self.dim,
                    options.shape().heads,
                    options.built_pattern(self.grid.num_patches, layer),
                    options.causal,
                    options.dropout,
                    num_global=0 if self.cls_token is None else 1,
                ),
                self.dim,
                options.mlp_ratio,
                options.dropout,
                drop_path,
            )
            for layer, drop_path in enumerate(drop_path_rates(options.drop_path, self.depth))
        )
        self.blocks.apply(init_weights_vit_timm)
        self.norm = nn.LayerNorm(self.dim, eps=1e-6)

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
        tokens = sequence.patches if extra_tokens is None else torch.cat([extra_tokens, sequence.patches], dim=1)
        blocks = range(self.depth)[start:stop]
        for index in blocks:
            tokens = run_block(
                self.blocks[index], tokens, sequence.valid, recompute=self.options.gradient_checkpointing
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
        """Every slot; with the readout ``last``, those that the last slot sees through all blocks."""
        read = torch.arange(num_slots) == num_slots - 1
        if self.options.readout != "last":
            return torch.ones_like(read)
        for block in reversed(self.blocks):
            if read.all():
                break
            # Only what the slots that are read see: all pairs of a long sequence would not fit into memory.
            attention: Any = block.get_submodule("attn")
            read = attention.sees(read.nonzero().flatten(), num_slots).any(dim=0)
        return read

    def attention(self, sequence: PatchSequence) -> AttentionMaps:
        """The pattern of each slot, and CLS, which stands before the slots and looks at everything."""
        return windowed_attention_maps(
            self, self.blocks, sequence, num_before=0 if self.cls_token is None else 1, num_after=0
        )


def _sees_no_other(options: Sparse.Options, num_patches: int) -> bool:
    """Whether a slot sees no other slot, not even through a CLS that has seen them in the block before."""
    through_cls = options.readout == "cls" and not options.causal and options.shape().depth > 1
    return options.sees_itself_alone(num_patches) and not through_cls


def _is_order_sensitive(options: Sparse.Options, num_patches: int) -> bool:
    """Insensitive is what treats all slots alike, the readout included."""
    if num_patches > 1 and options.readout == "last":
        return True
    # In a single block, CLS looks at patches that have not looked at each other.
    blind = options.readout == "cls" and options.shape().depth == 1
    return not blind and _tells_slots_apart(options, num_patches)


def _tells_slots_apart(options: Sparse.Options, num_patches: int) -> bool:
    """Whether slots are not treated alike: they are where every slot sees itself alone, or all."""
    if num_patches == 1 or options.sees_itself_alone(num_patches):
        return False
    return options.causal or not options.sees_all(num_patches)


def _idle(options: Sparse.Options, num_patches: int) -> dict[str, str]:
    """What the pattern does not need; ``causal`` also decides whether slots see CLS."""
    found = options.idle(num_patches)
    if options.readout == "cls":
        found.pop("causal", None)
    return found


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Sparse attention."""
    return [Sparse]
