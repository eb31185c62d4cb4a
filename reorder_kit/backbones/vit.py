"""timm's Vision Transformer, patches in any order."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit.backbones._vit_options import VitOptions
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import AttentionMaps, Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.readout import mean_slot
from reorder_kit.layers.recompute import run_block


class Vit(Backbone):
    """The Vision Transformer (Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929; tiny and small: DeiT).

    The control of every experiment: with positions added by patch, its output is the same under every order. In
    row-major order it is that of the timm model.

    Either ``model`` names a timm VisionTransformer, which keeps its own patches, positions and readout where the recipe
    says nothing else, or ``size`` (small if not given) is built from scratch.
    """

    name = "vit"
    Options = VitOptions

    options: VitOptions

    @classmethod
    def facts(cls, options: VitOptions, image: ImageShape) -> BackboneFacts:
        """Blind to the order, and never causal, whatever its options: all tokens see all tokens."""
        if image.frames > 1:
            raise ReorderKitError(
                f"vit reads single images, not clips of {image.frames} frames",
                "name a backbone that reads clips, such as local, longformer, recurrent, mamba, transformer-xl, "
                "hierarchical or vmamba",
            )
        if options.model is not None:
            from reorder_kit.backbones._timm_vit import build, facts_of

            with torch.device("meta"):  # takes no memory, computes nothing and draws nothing at random
                model = build(cls.without_downloads(options), image)
            return replace(facts_of(model), downloads=options.pretrained)
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        return BackboneFacts(
            grid, shape.dim, shape.depth, order_sensitive=False, has_positions=options.positions != "none"
        )

    @classmethod
    def without_downloads(cls, options: VitOptions) -> VitOptions:
        """Not pretrained."""
        return options.model_copy(update={"pretrained": False})

    def __init__(self, options: VitOptions, image: ImageShape) -> None:
        # Imported on first use, as wherever timm is needed: it takes seconds.
        from reorder_kit.backbones._timm_vit import build

        super().__init__(options, image)
        self.model = build(options, image)

    @classmethod
    def from_timm(cls, model: nn.Module) -> Vit:
        """Wrap a model that already exists; it is shared, not copied, and keeps its classifier as ``vit.model.head``.

        The result has no ``options``, since none were asked for.

        Raises:
            ReorderKitError: if the model is not a VisionTransformer, drops patches, or does not pool them.
        """
        from reorder_kit.backbones._timm_vit import facts_of, require_vit

        built = require_vit(model)
        vit = cls.__new__(cls)
        nn.Module.__init__(vit)
        first = next(layer for layer in built.patch_embed.modules() if isinstance(layer, nn.Conv2d))
        vit.image = ImageShape(first.in_channels, *built.patch_embed.img_size)
        vit.as_built = facts_of(built)
        vit.model = built
        return vit

    def tokenize(self, images: Float[Tensor, "batch channels height width"]) -> PatchSequence:
        """Cut images into row-major patches.

        Raises:
            ReorderKitError: if the images have another size than the model was built for.
        """
        height, width = self.model.patch_embed.img_size
        if tuple(images.shape[2:]) != (height, width):
            given = f"{images.shape[2]}x{images.shape[3]}"
            raise ReorderKitError(f"a model built for images of {height}x{width} pixels was given images of {given}")
        patches = self.model.patch_embed(images)
        if self.model.dynamic_img_size:
            patches = patches.flatten(1, 2)
        if self.model.pos_embed is not None:
            # The last ones: those of CLS and register tokens, where there are any, come first.
            patches = self.model.pos_drop(patches + self.model.pos_embed[:, -self.grid.num_patches :])
        return PatchSequence(patches, self.grid)

    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop``, CLS and register tokens before the patches."""
        extra_tokens = starting_tokens(self._prefix(), extra_tokens, sequence, start)
        tokens = sequence.patches if extra_tokens is None else torch.cat([extra_tokens, sequence.patches], dim=1)
        mask = None if sequence.valid is None else _key_mask(sequence.valid, tokens.shape[1])
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            tokens = self.model.norm_pre(tokens)
        for index in blocks:
            tokens = self._block(index, tokens, mask)
        if self.depth - 1 in blocks:
            tokens = self.model.norm(tokens)
        prefix, patches = tokens[:, : -sequence.num_slots], tokens[:, -sequence.num_slots :]
        return Encoded(sequence.with_patches(patches), None if extra_tokens is None else prefix)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The CLS token or the mean of the patches, as the timm model pools.

        Raises:
            ReorderKitError: if some slots are padding and the model pools in a way that would read them.
        """
        model, sequence, prefix = self.model, encoded.sequence, encoded.extra_tokens
        if sequence.valid is None or (model.global_pool == "token" and model.attn_pool is None):
            tokens = sequence.patches if prefix is None else torch.cat([prefix, sequence.patches], dim=1)
            pooled: Tensor = model.forward_head(tokens, pre_logits=True)
            return pooled
        if model.global_pool != "avg" or model.pool_include_prefix:
            raise ReorderKitError(
                f"the readout {model.global_pool!r} would read padding", "set readout: cls or readout: mean"
            )
        mean: Tensor = model.head_drop(model.fc_norm(mean_slot(sequence)))
        return mean

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot: all tokens see all tokens."""
        return torch.ones(num_slots, dtype=torch.bool)

    def attention(self, sequence: PatchSequence) -> AttentionMaps | None:
        """What timm's attention computes where it is not fused; None for blocks of another kind, or another pooling."""
        from reorder_kit.backbones._timm_vit import plain_attentions, recorded_weights

        attentions = plain_attentions(self.model)
        readout = self._readout_shares(sequence)
        if readout is None or len(attentions) < self.depth:
            return None
        with recorded_weights(attentions) as weights:
            self.encode(sequence)
        return AttentionMaps(tuple(weights), readout, first_slot=readout.shape[1] - sequence.num_slots)

    def _readout_shares(self, sequence: PatchSequence) -> Float[Tensor, "batch token"] | None:
        """The share of each token in what is pooled; None where that is no mean, or no readout of :meth:`summarize`."""
        model = self.model
        is_plain = model.attn_pool is None and not hasattr(model, "dist_token")
        prefix = self._prefix()
        num_prefix = 0 if prefix is None else prefix.shape[1]
        if is_plain and model.global_pool == "token":
            shares = sequence.patches.new_zeros(sequence.batch, num_prefix + sequence.num_slots)
            shares[:, 0] = 1
            return shares
        if is_plain and model.global_pool == "avg" and not model.pool_include_prefix:
            units = torch.eye(sequence.num_slots, device=sequence.patches.device, dtype=sequence.patches.dtype)
            shares = mean_slot(sequence.with_patches(units.expand(sequence.batch, -1, -1)))
            return nn.functional.pad(shares, (num_prefix, 0))
        return None

    def _prefix(self) -> Float[Tensor, "1 extra dim"] | None:
        """CLS, distillation and register tokens with their positions."""
        model = self.model
        named = (model.cls_token, getattr(model, "dist_token", None), model.reg_token)
        tokens = [token for token in named if token is not None]
        if not tokens:
            return None
        prefix = torch.cat(tokens, dim=1)
        if model.pos_embed is None:
            return prefix
        if not model.no_embed_class:
            prefix = prefix + model.pos_embed[:, : -self.grid.num_patches]
        dropped: Tensor = model.pos_drop(prefix)
        return dropped

    def _block(
        self,
        index: int,
        tokens: Float[Tensor, "batch token dim"],
        mask: Bool[Tensor, "batch 1 1 token"] | None,
    ) -> Float[Tensor, "batch token dim"]:
        recompute = self.model.grad_checkpointing
        mixed: Tensor = run_block(self.model.blocks[index], tokens, mask, recompute=recompute)
        return mixed


def _key_mask(valid: Bool[Tensor, "batch slot"], num_tokens: int) -> Bool[Tensor, "batch 1 1 token"]:
    """Hide padding from every token; an image of nothing but padding hides nothing, to keep its softmax defined."""
    keys = nn.functional.pad(valid | ~valid.any(dim=1, keepdim=True), (num_tokens - valid.shape[1], 0), value=True)
    return keys[:, None, None, :]


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """timm's Vision Transformer."""
    return [Vit]
