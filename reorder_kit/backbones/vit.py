"""The Vision Transformer with patches in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit.backbones._vit_options import VitOptions
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import AttentionMaps, Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.layers.attention_positions import AttentionPositions, TokenPlaces
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.position_options import idle_positions
from reorder_kit.layers.positions import added_positions, check_positions, sincos_positions
from reorder_kit.layers.readout import mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.single_images import refuse_clips
from reorder_kit.layers.slot_embedding import SlotEmbedding
from reorder_kit.ops.relative_bias import added_scores

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer


class Vit(Backbone):
    """The Vision Transformer (Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929; tiny and small: DeiT).

    A control for every experiment: without ``slot_positions``, its output is the same in every order, because
    ``positions`` stay with the patch. In row-major order it equals timm's VisionTransformer of the same shape. For
    named timm models and their weights, use the backbone ``timm``.

    Rotary positions use timm's ``AttentionRope``. CLS has no position: it is not rotated, and its scores have no bias.
    """

    name = "vit"
    needs = frozenset({"order"})  # for rotary and relative positions in the image
    Options = VitOptions

    options: VitOptions

    @classmethod
    def facts(cls, options: VitOptions, image: ImageShape) -> BackboneFacts:
        """Blind to the order unless there are positions in the sequence; never causal: all tokens see all tokens."""
        refuse_clips(cls.name, image)
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        return BackboneFacts(
            grid,
            shape.dim,
            shape.depth,
            order_sensitive=_is_order_sensitive(options, grid.num_patches),
            slots_order_sensitive=grid.num_patches > 1 and options.slot_positions != "none",
            has_positions=added_positions(options.positions) != "none",
            idle=idle_positions(options, grid, sees_cls=options.readout == "cls"),
        )

    def __init__(self, options: VitOptions, image: ImageShape) -> None:
        super().__init__(options, image)
        self.model = _built(options, image)
        shape, farthest = options.shape(), self.grid.num_patches - 1
        self.slot_embedding = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)
        self.places = AttentionPositions(options, self.grid, self.dim // shape.heads, shape.heads, farthest)

    def tokenize(self, images: Float[Tensor, "batch channels height width"]) -> PatchSequence:
        """Cut images into row-major patches.

        Raises:
            ReorderKitError: if the images do not have the size that the model was built for.
        """
        height, width = self.model.patch_embed.img_size
        if tuple(images.shape[2:]) != (height, width):
            given = f"{images.shape[2]}x{images.shape[3]}"
            raise ReorderKitError(f"a model built for images of {height}x{width} pixels was given images of {given}")
        patches = self.model.patch_embed(images)
        if self.model.pos_embed is not None:
            patches = patches + self.model.pos_embed[:, -self.grid.num_patches :]  # that of CLS comes first
        return PatchSequence(patches, self.grid)

    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop``, CLS before the patches."""
        extra_tokens = starting_tokens(self._prefix(), extra_tokens, sequence, start)
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = self.slot_embedding(sequence)
        tokens = sequence.patches if extra_tokens is None else torch.cat([extra_tokens, sequence.patches], dim=1)
        arguments = self._arguments(sequence, tokens)
        for index in blocks:
            tokens = run_block(
                self.model.blocks[index], tokens, *arguments, recompute=self.options.gradient_checkpointing
            )
        if self.depth - 1 in blocks:
            tokens = self.model.norm(tokens)
        prefix, patches = tokens[:, : -sequence.num_slots], tokens[:, -sequence.num_slots :]
        return Encoded(sequence.with_patches(patches), None if extra_tokens is None else prefix)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The CLS token, or the mean of the patches, normalized afterward."""
        if encoded.extra_tokens is not None:
            return encoded.extra_tokens[:, 0]
        mean: Tensor = self.model.fc_norm(mean_slot(encoded.sequence))
        return mean

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot: all tokens see all tokens."""
        return torch.ones(num_slots, dtype=torch.bool)

    def attention(self, sequence: PatchSequence) -> AttentionMaps:
        """The weights of timm's attention, with fusing off."""
        from reorder_kit.backbones._timm_attention import recorded_weights

        with recorded_weights([block.attn for block in self.model.blocks]) as weights:
            encoded = self.encode(sequence)
        if encoded.extra_tokens is not None:
            readout = sequence.patches.new_zeros(sequence.batch, 1 + sequence.num_slots)
            readout[:, 0] = 1
            return AttentionMaps(tuple(weights), readout, first_slot=1)
        units = torch.eye(sequence.num_slots, device=sequence.patches.device, dtype=sequence.patches.dtype)
        readout = mean_slot(sequence.with_patches(units.expand(sequence.batch, -1, -1)))
        return AttentionMaps(tuple(weights), readout)

    def _arguments(
        self, sequence: PatchSequence, tokens: Float[Tensor, "batch token dim"]
    ) -> tuple[Tensor | None, ...]:
        """The arguments of every block besides the tokens: the mask and, if used, the rotation of queries and keys."""
        places: TokenPlaces = self.places(sequence, num_before=tokens.shape[1] - sequence.num_slots)
        mask = None if sequence.valid is None else _key_mask(sequence.valid, tokens.shape[1])
        added = added_scores(places.biases)
        if added is not None:
            mask = added if mask is None else added.masked_fill(~mask, -torch.inf)
        if places.rotation is None:
            return (mask,)
        sin, cos = places.rotation.sin, places.rotation.cos
        return mask, torch.cat([sin, sin, cos, cos], dim=-1).unsqueeze(1)

    def _prefix(self) -> Float[Tensor, "1 extra dim"] | None:
        """The CLS token with its position."""
        cls: Tensor | None = self.model.cls_token
        if cls is None or self.model.pos_embed is None:
            return cls
        position: Tensor = self.model.pos_embed[:, : -self.grid.num_patches]
        return cls + position


def _built(options: VitOptions, image: ImageShape) -> VisionTransformer:
    # Imported on first use: timm takes seconds.
    from timm.models.vision_transformer import Block, VisionTransformer

    from reorder_kit.layers.rotary_block import RotaryBlock

    shape, cls = options.shape(), options.readout == "cls"
    model = VisionTransformer(
        img_size=(image.height, image.width),
        patch_size=patch_geometry(options, image).patch_size,
        in_chans=image.channels,
        num_classes=0,
        embed_dim=shape.dim,
        depth=shape.depth,
        num_heads=shape.heads,
        class_token=cls,
        global_pool="token" if cls else "avg",
        drop_path_rate=options.drop_path,
        block_fn=RotaryBlock if "rope" in (options.positions, options.slot_positions) else Block,
    )
    if added_positions(options.positions) == "none":
        model.pos_embed = None
    elif options.positions == "sincos":
        table = sincos_positions(patch_geometry(options, image).grid, shape.dim)
        del model.pos_embed
        model.register_buffer("pos_embed", nn.functional.pad(table, (0, 0, int(cls), 0)), persistent=False)
    return model


def _is_order_sensitive(options: VitOptions, num_patches: int) -> bool:
    """Slots differ only by their positions. In a single block, CLS sees patches that have not seen each other, and its
    scores have no bias."""
    if num_patches == 1 or options.slot_positions == "none":
        return False
    return not (options.slot_positions == "relative" and options.readout == "cls" and options.shape().depth == 1)


def _key_mask(valid: Bool[Tensor, "batch slot"], num_tokens: int) -> Bool[Tensor, "batch 1 1 token"]:
    """Hide padding from every token; an image that is all padding hides nothing, to keep its softmax defined."""
    keys = nn.functional.pad(valid | ~valid.any(dim=1, keepdim=True), (num_tokens - valid.shape[1], 0), value=True)
    return keys[:, None, None, :]


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """The Vision Transformer."""
    return [Vit]
