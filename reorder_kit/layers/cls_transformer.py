"""The common part of transformers that define their own attention, with CLS before the patches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit.interfaces import AttentionMaps, Backbone, Encoded, ImageShape, PatchSequence
from reorder_kit.layers.attention_maps import windowed_attention_maps
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.readout import last_slot, mean_slot
from reorder_kit.layers.recompute import run_block


class ClsTransformer(Backbone):
    """Pre-norm blocks over ``[CLS, patches]`` that start as in ViT; CLS exists only with the readout ``cls``.

    A backbone derives its options from :class:`~reorder_kit.layers.transformer_options.TransformerOptions`, adds
    ``readout``, and builds the attention of its blocks (:meth:`build_attention`). Blocks are called with the tokens,
    with the order if the backbone needs it, and with ``valid``.

    Args:
        options: options of the recipe.
        image: the images or clips it will read.
    """

    options: Any

    def __init__(self, options: Any, image: ImageShape) -> None:
        # Imported on first use: timm takes seconds.
        from timm.models.vision_transformer import init_weights_vit_timm

        from reorder_kit.layers.attention_block import AttentionBlock

        super().__init__(options, image)
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), self.dim, options.positions)
        self.cls_token = learned_vectors(1, 1, self.dim) if options.readout == "cls" else None
        rates = drop_path_rates(options.drop_path, self.depth)
        self.blocks = nn.ModuleList(
            AttentionBlock(attention, self.dim, options.mlp_ratio, options.dropout, drop_path)
            for attention, drop_path in zip(self.build_attention(), rates, strict=True)
        )
        self.blocks.apply(init_weights_vit_timm)
        self.norm = nn.LayerNorm(self.dim, eps=1e-6)

    @abstractmethod
    def build_attention(self) -> Iterable[nn.Module]:
        """Build the attention of each block, starting with the first."""

    @property
    def num_cls(self) -> int:
        """Number of tokens before the slots: 1 with the readout ``cls``, else 0."""
        return 0 if self.cls_token is None else 1

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
        known = (sequence.order, sequence.valid) if "order" in self.needs else (sequence.valid,)
        blocks, recompute = range(self.depth)[start:stop], self.options.gradient_checkpointing
        for index in blocks:
            tokens = run_block(self.blocks[index], tokens, *known, recompute=recompute)
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
        """Every slot."""
        return torch.ones(num_slots, dtype=torch.bool)

    def attention(self, sequence: PatchSequence) -> AttentionMaps:
        """What each token attends to, CLS before the slots."""
        return windowed_attention_maps(self, self.blocks, sequence, num_before=self.num_cls, num_after=0)
