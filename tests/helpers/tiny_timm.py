"""Tiny models of each family, registered in timm: its own tiny ones have up to nine blocks, and none is rotary."""

from __future__ import annotations

from typing import Any

from timm.models import register_model
from timm.models.beit import Beit
from timm.models.cait import Cait
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_relpos import VisionTransformerRelPos

__all__ = ["little_beit", "little_cait", "little_eva", "little_mixed", "little_relpos", "little_vit"]

SHAPE: dict[str, Any] = {"patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2, "img_size": 16}


def _arguments(given: dict[str, Any], **own: Any) -> dict[str, Any]:
    of_timm = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
    return {**SHAPE, **own, **{name: value for name, value in given.items() if name not in of_timm}}


@register_model
def little_vit(pretrained: bool = False, **given: Any) -> VisionTransformer:
    return VisionTransformer(**_arguments(given, reg_tokens=2))


@register_model
def little_eva(pretrained: bool = False, **given: Any) -> Eva:
    """Like DINOv3: only rotary positions, CLS and registers."""
    rotary = {"use_rot_pos_emb": True, "use_abs_pos_emb": False, "rope_type": "dinov3", "rope_rotate_half": True}
    return Eva(**_arguments(given, **rotary, num_reg_tokens=2, global_pool="token", rope_temperature=100.0))


@register_model
def little_mixed(pretrained: bool = False, **given: Any) -> Eva:
    """Like RoPE-ViT: a table for each block and head, absolute positions, and the mean readout."""
    return Eva(**_arguments(given, use_rot_pos_emb=True, rope_type="mixed"))


@register_model
def little_beit(pretrained: bool = False, **given: Any) -> Beit:
    """Absolute positions, and biases per block as well as shared ones."""
    return Beit(**_arguments(given, use_rel_pos_bias=True, use_shared_rel_pos_bias=True, init_values=0.5))


@register_model
def little_relpos(pretrained: bool = False, **given: Any) -> VisionTransformerRelPos:
    return VisionTransformerRelPos(**_arguments(given, rel_pos_dim=8, class_token=True, init_values=0.5))


@register_model
def little_cait(pretrained: bool = False, **given: Any) -> Cait:
    return Cait(**_arguments(given, depth_token_only=1, init_values=0.5))
