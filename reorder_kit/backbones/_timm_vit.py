"""What the backbone ``vit`` takes from timm, whose import takes seconds: this module is imported to build one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import timm
from jaxtyping import Float
from timm.layers import Attention
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from reorder_kit.backbones._vit_options import VitOptions
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BackboneFacts, ImageShape
from reorder_kit.layers.patch_geometry import patch_geometry, whole_patches
from reorder_kit.layers.positions import Positions, sincos_positions
from reorder_kit.orders.grid import Grid


def build(options: VitOptions, image: ImageShape) -> VisionTransformer:
    """The model that the options ask for.

    Raises:
        ReorderKitError: if timm cannot build the model for such images.
    """
    model = _from_scratch(options, image) if options.model is None else _named(options.model, options, image)
    _set_positions(model, options.positions)
    model.set_grad_checkpointing(options.gradient_checkpointing)
    return model


def require_vit(model: nn.Module) -> VisionTransformer:
    """The model, which must be a VisionTransformer of timm.

    Raises:
        ReorderKitError: if it is another one.
    """
    if not isinstance(model, VisionTransformer):
        raise ReorderKitError(
            f"a {type(model).__name__} is no timm VisionTransformer", "pass a model such as vit_small_patch16_224"
        )
    return model


def facts_of(model: VisionTransformer) -> BackboneFacts:
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


def _from_scratch(options: VitOptions, image: ImageShape) -> VisionTransformer:
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


def _named(name: str, options: VitOptions, image: ImageShape) -> VisionTransformer:
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
    if pretrained:
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


def plain_attentions(model: VisionTransformer) -> list[Attention]:
    """The attention of each block whose attention is timm's usual one."""
    return [block.attn for block in model.blocks if type(getattr(block, "attn", None)) is Attention]


@contextmanager
def recorded_weights(attentions: Sequence[Attention]) -> Iterator[list[Float[Tensor, "batch token token"]]]:
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
