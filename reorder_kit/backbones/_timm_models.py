"""What the backbone ``timm`` takes from timm, whose import takes seconds: this module is imported to build one."""

from __future__ import annotations

from typing import Any, Literal

import timm
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from reorder_kit.backbones._timm_options import TimmOptions
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BackboneFacts, ImageShape
from reorder_kit.layers.patch_geometry import patch_geometry, whole_patches
from reorder_kit.orders.grid import Grid


def build(options: TimmOptions, image: ImageShape) -> VisionTransformer:
    """The model that the options ask for.

    Raises:
        ReorderKitError: if timm cannot build the model for such images.
    """
    model = _named(options.model, options, image)
    if options.positions == "none":
        model.pos_embed = None
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


def _named(name: str, options: TimmOptions, image: ImageShape) -> VisionTransformer:
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
        hint = "name another model"
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
