"""timm's Vision Transformer, patches in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import timm
import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from timm.layers import Attention
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError, did_you_mean
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import AttentionMaps, Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.patch_geometry import Count, PatchOptions, patch_geometry, whole_patches
from reorder_kit.layers.positions import Positions, check_positions, sincos_positions
from reorder_kit.layers.readout import mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.transformer_options import TRANSFORMER_SHAPES, TransformerShape, check_shape
from reorder_kit.orders.grid import Grid


class Vit(Backbone):
    """The Vision Transformer (Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929; tiny and small: DeiT).

    The control of every experiment: with positions added by patch, its output is the same under every order. In
    row-major order it is that of the timm model.

    Either ``model`` names a timm VisionTransformer, which keeps its own patches, positions and readout where the recipe
    says nothing else, or ``size`` (small if not given) is built from scratch.
    """

    name = "vit"

    class Options(PatchOptions):
        model: str | None = Field(None, description="a VisionTransformer of timm, as in vit_small_patch16_224")
        size: Literal["tiny", "small", "base", "large"] | None = Field(
            None, description="width, depth and heads as published; small if no model is named"
        )
        depth: Count | None = Field(None, description="blocks, instead of the size's")
        dim: Count | None = Field(None, description="width of the embedding, instead of the size's")
        heads: Count | None = Field(None, description="attention heads, instead of the size's; they divide dim")
        pretrained: bool = Field(False, description="load timm's weights of the named model")
        positions: Positions = Field(
            "learned", description="absolute 2-D positions, added by patch; learned: the positions timm gives the model"
        )
        readout: Literal["cls", "mean"] | None = Field(
            None, description="what summarises the sequence; a named model's own if not given, else cls"
        )
        drop_path: float = Field(0.0, ge=0, lt=1, description="stochastic depth of the last block, probability")
        gradient_checkpointing: bool = Field(
            False, description="recompute blocks in the backward pass: less memory, more time"
        )

        def unused(self) -> dict[str, str]:
            """The size, where nothing is left of it, and paths that timm does not drop."""
            found = {}
            if None not in (self.depth, self.dim, self.heads):
                found["size"] = "depth, dim and heads are given"
            if self.model is None and self.shape().depth == 1:
                found["drop_path"] = "timm drops no path where there is a single block"
            return found

        @model_validator(mode="after")
        def _fits(self) -> Vit.Options:
            if self.model is not None:
                own = {"size": self.size, "depth": self.depth, "dim": self.dim, "heads": self.heads}
                given = [name for name, value in own.items() if value is not None]
                if given:
                    raise ValueError(f"a named model has its own {' and '.join(given)}: give model or {given[0]}")
                return self
            if self.pretrained:
                raise ValueError("pretrained weights belong to a model: name one, as in model: vit_small_patch16_224")
            check_shape(self.shape(), self.positions)
            return self

        def shape(self) -> TransformerShape:
            """Width, depth and heads without a named model."""
            size = TRANSFORMER_SHAPES[self.size or "small"]
            return TransformerShape(self.dim or size.dim, self.depth or size.depth, self.heads or size.heads)

        def _needs_geometry(self) -> bool:
            return self.model is None

    @classmethod
    def facts(cls, options: Vit.Options, image: ImageShape) -> BackboneFacts:
        """Blind to the order, and never causal, whatever its options: all tokens see all tokens."""
        if image.frames > 1:
            raise ReorderKitError(
                f"vit reads single images, not clips of {image.frames} frames",
                "name a backbone that reads clips, such as local, longformer, recurrent, mamba or transformer-xl",
            )
        if options.model is not None:
            with torch.device("meta"):  # takes no memory, computes nothing and draws nothing at random
                model = _build(cls.without_downloads(options), image)
            return replace(_facts_of(model), downloads=options.pretrained)
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        return BackboneFacts(
            grid, shape.dim, shape.depth, order_sensitive=False, has_positions=options.positions != "none"
        )

    @classmethod
    def without_downloads(cls, options: Vit.Options) -> Vit.Options:
        """Not pretrained."""
        return options.model_copy(update={"pretrained": False})

    def __init__(self, options: Vit.Options, image: ImageShape) -> None:
        super().__init__(options, image)
        self.model = _build(options, image)

    @classmethod
    def from_timm(cls, model: nn.Module) -> Vit:
        """Wrap a model that already exists; it is shared, not copied, and keeps its classifier as ``vit.model.head``.

        The result has no ``options``, since none were asked for.

        Raises:
            ReorderKitError: if the model is no VisionTransformer, drops patches, or does not pool them.
        """
        if not isinstance(model, VisionTransformer):
            raise ReorderKitError(
                f"a {type(model).__name__} is no timm VisionTransformer", "pass a model such as vit_small_patch16_224"
            )
        vit = cls.__new__(cls)
        nn.Module.__init__(vit)
        first = next(layer for layer in model.patch_embed.modules() if isinstance(layer, nn.Conv2d))
        vit.image = ImageShape(first.in_channels, *model.patch_embed.img_size)
        vit.as_built = _facts_of(model)
        vit.model = model
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
        attentions = [block.attn for block in self.model.blocks if type(getattr(block, "attn", None)) is Attention]
        readout = self._readout_shares(sequence)
        if readout is None or len(attentions) < self.depth:
            return None
        with _recorded_weights(attentions) as weights:
            self.encode(sequence)
        return AttentionMaps(tuple(weights), readout, first_slot=readout.shape[1] - sequence.num_slots)

    def _readout_shares(self, sequence: PatchSequence) -> Float[Tensor, "batch token"] | None:
        """The share of each token in what is pooled; None where that is no mean, or no readout of :meth:`summarize`."""
        model = self.model
        is_plain = model.attn_pool is None and not isinstance(model, VisionTransformerDistilled)
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
        named = (
            model.cls_token,
            model.dist_token if isinstance(model, VisionTransformerDistilled) else None,
            model.reg_token,
        )
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


@contextmanager
def _recorded_weights(attentions: Sequence[Attention]) -> Iterator[list[Float[Tensor, "batch token token"]]]:
    """The weights that each attention computes meanwhile, the mean over heads. The fused operator shows none."""
    weights: list[Tensor] = []

    def record(dropout: nn.Module, inputs: tuple[Tensor]) -> None:
        weights.append(inputs[0].mean(dim=1))

    fused = [attention.fused_attn for attention in attentions]
    handles = [attention.attn_drop.register_forward_pre_hook(record) for attention in attentions]
    try:
        for attention in attentions:
            attention.fused_attn = False
        yield weights
    finally:
        for attention, handle, was_fused in zip(attentions, handles, fused, strict=True):
            handle.remove()
            attention.fused_attn = was_fused


def _key_mask(valid: Bool[Tensor, "batch slot"], num_tokens: int) -> Bool[Tensor, "batch 1 1 token"]:
    """Hide padding from every token; an image of nothing but padding hides nothing, to keep its softmax defined."""
    keys = nn.functional.pad(valid | ~valid.any(dim=1, keepdim=True), (num_tokens - valid.shape[1], 0), value=True)
    return keys[:, None, None, :]


def _build(options: Vit.Options, image: ImageShape) -> VisionTransformer:
    model = _from_scratch(options, image) if options.model is None else _named(options.model, options, image)
    _set_positions(model, options.positions)
    model.set_grad_checkpointing(options.gradient_checkpointing)
    return model


def _facts_of(model: VisionTransformer) -> BackboneFacts:
    """What is known of a model that exists.

    Raises:
        ReorderKitError: if it drops patches, or does not pool them.
    """
    if not isinstance(model.patch_drop, nn.Identity):
        raise ReorderKitError(
            "the model drops patches at random, which an order cannot follow", "build it with patch_drop_rate=0"
        )
    if not model.global_pool and model.attn_pool is None:
        raise ReorderKitError("the model has no readout", "build it with global_pool='token' or 'avg'")
    return BackboneFacts(
        Grid(*model.patch_embed.grid_size),
        int(model.embed_dim),
        len(model.blocks),
        order_sensitive=False,
        has_positions=model.pos_embed is not None,
    )


def _from_scratch(options: Vit.Options, image: ImageShape) -> VisionTransformer:
    shape, cls = options.shape(), options.readout != "mean"
    return VisionTransformer(
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
    )


def _named(name: str, options: Vit.Options, image: ImageShape) -> VisionTransformer:
    if not timm.is_model(name):
        raise ReorderKitError(f"timm has no model {name!r}", did_you_mean(name, timm.list_models()))
    built = timm.model_entrypoint(name).__annotations__.get("return")
    if not (isinstance(built, type) and issubclass(built, VisionTransformer)):
        raise ReorderKitError(
            f"timm's {name} is no VisionTransformer", "name one such as vit_small_patch16_224, or give size"
        )
    arguments: dict[str, Any] = {}
    if options.patch_size is not None or options.grid is not None:
        arguments["patch_size"] = patch_geometry(options, image).patch_size
    try:
        model = timm.create_model(
            name,
            pretrained=options.pretrained,
            num_classes=0,
            img_size=(image.height, image.width),
            in_chans=image.channels,
            drop_path_rate=options.drop_path,
            **arguments,
        )
    except Exception as error:  # of timm, of the hub it downloads from, of the network
        raise _not_built(name, options.pretrained, error) from error
    patch_height, patch_width = model.patch_embed.feat_ratio(as_scalar=False)
    whole_patches(patch_height, patch_width, image)
    _set_readout(model, options.readout)
    return model


def _not_built(name: str, pretrained: bool, error: Exception) -> ReorderKitError:
    reason = " ".join(str(error).split()) or type(error).__name__
    architecture, _, tag = name.partition(".")
    if tag and name not in timm.list_pretrained():
        hint = did_you_mean(name, timm.list_pretrained(f"{architecture}.*")) + f", or leave .{tag} out"
    elif pretrained:
        hint = "name a model that has weights, go online for the first download, or set pretrained: false"
    else:
        hint = "name another model, or give size"
    return ReorderKitError(f"timm cannot build {name}: {reason}", hint)


def _set_readout(model: VisionTransformer, readout: Literal["cls", "mean"] | None) -> None:
    """After the weights are loaded: the final norm stays where the model was trained with it."""
    if readout is None:
        return
    if isinstance(model, VisionTransformerDistilled):
        raise ReorderKitError("a distilled model reads its CLS and its distillation token", "leave readout out")
    if readout == "cls" and not model.has_class_token:
        raise ReorderKitError("the named model has no CLS token", "set readout: mean, or leave readout out")
    model.reset_classifier(0, "token" if readout == "cls" else "avg")


def _set_positions(model: VisionTransformer, positions: Positions) -> None:
    if positions == "none":
        model.pos_embed = None
    elif positions == "sincos":
        prefix = 0 if model.no_embed_class else model.num_prefix_tokens
        table = sincos_positions(Grid(*model.patch_embed.grid_size), model.embed_dim)
        del model.pos_embed
        model.register_buffer("pos_embed", nn.functional.pad(table, (0, 0, prefix, 0)), persistent=False)


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """timm's Vision Transformer."""
    return [Vit]
