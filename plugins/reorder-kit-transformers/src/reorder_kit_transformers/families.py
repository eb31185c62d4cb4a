"""The families of encoders that can be read in any order: where the parts of each are, and why others are refused."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from reorder_kit.errors import ReorderKitError, quoted

CLIPS, LOCAL, PYRAMID = (
    "it reads clips",
    "its blocks attend within windows of the 2-D image",
    "its blocks work on the 2-D image, not on a sequence of patches",
)


@dataclass(frozen=True)
class Family:
    """Where an encoder of transformers keeps the parts that a backbone needs, as paths from the model.

    Args:
        name: ``model_type`` of its configuration.
        config: class of its configuration.
        model: class of the encoder.
        blocks: list of its blocks.
        tokens: parameters of ``embeddings`` that stand before the patches, in this order.
        readout: what transformers reads out: CLS, the mean of the patches, or the attention pooling of SigLIP. None
            where the configuration decides between CLS and the mean, as in BEiT.
        patches: of ``embeddings``, what embeds pixels.
        positions: of ``embeddings``, the absolute positions: a parameter or an embedding; None without them.
        fixed_positions: whether these are sines and cosines that are not trained.
        positioned: tokens before the patches that have a position, too.
        norm_before: of all tokens, before the first block.
        norm: of all tokens, after the last block.
        norm_of_readout: of the readout alone.
        square: its positions can only be made for a square grid.
        arguments: of its class, besides the configuration.
    """

    name: str
    config: str
    model: str
    blocks: str
    tokens: tuple[str, ...]
    readout: Literal["cls", "mean", "head"] | None = "cls"
    patches: str = "patch_embeddings"
    positions: str | None = "position_embeddings"
    fixed_positions: bool = False
    positioned: int = 1
    norm_before: str | None = None
    norm: str | None = "layernorm"
    norm_of_readout: str | None = None
    square: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_cls(self) -> bool:
        """Whether its first token is CLS."""
        return bool(self.tokens)


_WITHOUT_POOLER = MappingProxyType({"add_pooling_layer": False})
_OF_CLIP: dict[str, Any] = {"patches": "patch_embedding", "positions": "position_embedding", "square": True}

FAMILIES = {
    family.name: family
    for family in (
        Family("vit", "ViTConfig", "ViTModel", "layers", ("cls_token",), arguments=_WITHOUT_POOLER),
        Family(
            "deit",
            "DeiTConfig",
            "DeiTModel",
            "layers",
            ("cls_token", "distillation_token"),
            positioned=2,
            arguments=_WITHOUT_POOLER,
        ),
        Family(
            "beit",
            "BeitConfig",
            "BeitModel",
            "layers",
            ("cls_token",),
            readout=None,
            norm_of_readout="pooler.layernorm",
        ),
        Family("dinov2", "Dinov2Config", "Dinov2Model", "encoder.layer", ("cls_token",)),
        Family(
            "dinov2_with_registers",
            "Dinov2WithRegistersConfig",
            "Dinov2WithRegistersModel",
            "encoder.layer",
            ("cls_token", "register_tokens"),
        ),
        Family(
            "dinov3_vit",
            "DINOv3ViTConfig",
            "DINOv3ViTModel",
            "model.layer",
            ("cls_token", "register_tokens"),
            positions=None,
            positioned=0,
            norm="norm",
        ),
        Family(
            "siglip_vision_model",
            "SiglipVisionConfig",
            "SiglipVisionModel",
            "encoder.layers",
            (),
            readout="head",
            positioned=0,
            norm="post_layernorm",
            **_OF_CLIP,
        ),
        Family(
            "clip_vision_model",
            "CLIPVisionConfig",
            "CLIPVisionModel",
            "encoder.layers",
            ("class_embedding",),
            norm_before="pre_layrnorm",
            norm=None,
            norm_of_readout="post_layernorm",
            **_OF_CLIP,
        ),
        Family("vit_mae", "ViTMAEConfig", "ViTMAEModel", "layers", ("cls_token",), fixed_positions=True, square=True),
        Family("vit_msn", "ViTMSNConfig", "ViTMSNModel", "layers", ("cls_token",)),
        Family("ijepa", "IJepaConfig", "IJepaModel", "layers", (), readout="mean", positioned=0),
    )
}
"""By ``model_type``: encoders whose blocks see a set of tokens, positions included."""

VISION_PARTS = {"clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""Models of images and texts, and the encoder of images in them."""

REFUSED = {
    "aimv2_vision_model": "its rotary or absolute positions are made inside the encoder for every image",
    "convnext": PYRAMID,
    "convnextv2": PYRAMID,
    "cvt": PYRAMID,
    "data2vec-vision": "each block makes its relative biases from its own layout; load a BEiT instead",
    "dinat": LOCAL,
    "dinov3_convnext": PYRAMID,
    "focalnet": PYRAMID,
    "hiera": LOCAL,
    "levit": PYRAMID,
    "mobilevit": PYRAMID,
    "poolformer": PYRAMID,
    "pvt": PYRAMID,
    "pvt_v2": PYRAMID,
    "regnet": PYRAMID,
    "resnet": PYRAMID,
    "sam": LOCAL,
    "sam_vision_model": LOCAL,
    "segformer": PYRAMID,
    "siglip2": "its patches may form another grid in every image of a batch",
    "siglip2_vision_model": "its patches may form another grid in every image of a batch",
    "swin": LOCAL,
    "swinv2": LOCAL,
    "timesformer": CLIPS,
    "timm_backbone": "it is a model of timm: use the backbone timm",
    "timm_wrapper": "it is a model of timm: use the backbone timm",
    "videomae": CLIPS,
    "vitdet": LOCAL,
    "vivit": CLIPS,
    "vjepa2": CLIPS,
    "yolos": "its detection tokens stand behind the patches, with positions of their own in every block",
}
"""By ``model_type``: why an encoder that people may try cannot be read in another order."""


def family_of(name: str) -> Family:
    """The family of a ``model_type``.

    Raises:
        ReorderKitError: if it is not read: with the reason where it is known, else with the closest names.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    names = ", ".join(FAMILIES)
    if name in REFUSED:
        raise ReorderKitError(f"{name} cannot be read in another order: {REFUSED[name]}", f"use one of {names}")
    close = difflib.get_close_matches(name[:100], FAMILIES, n=1)
    hint = f"did you mean {close[0]}?" if close else f"use one of {names}"
    raise ReorderKitError(f"{quoted(name)} is not an encoder that this plugin reads", hint)
