"""timm models, the inputs of their first block, and their outputs, found without the code under test."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import timm
import torch
from torch import Tensor, nn

SMALL: dict[str, Any] = {"depth": 2, "img_size": 64}


@dataclass(frozen=True)
class Case:
    """A model that can read in another order.

    Args:
        name: in timm.
        prefix: tokens before the patches at the first block.
        arguments: arguments that make it small.
    """

    name: str
    prefix: int
    arguments: dict[str, Any] = field(default_factory=lambda: SMALL)


RIGHT = [
    Case("vit_tiny_patch16_224", 1),
    Case("vit_wee_patch16_reg1_gap_256", 1),  # a register, and no CLS token
    Case("vit_little_patch16_reg4_gap_256", 4),
    Case("vit_small_patch14_reg4_dinov2", 5, {"depth": 2, "img_size": 56}),
    Case("vit_dpwee_patch16_reg1_gap_256", 1),  # differential attention, parallel blocks
    Case("vit_base_patch16_siglip_224", 0, {**SMALL, "embed_dim": 96, "num_heads": 4}),  # attention pooling
    Case("vit_base_patch16_clip_224", 1, {**SMALL, "embed_dim": 96, "num_heads": 4}),  # a norm before the blocks
    Case("vit_base_patch16_rpn_224", 0, {**SMALL, "embed_dim": 96, "num_heads": 4}),
    Case("vit_base_patch16_18x2_224", 1, {**SMALL, "embed_dim": 96, "num_heads": 4}),
    Case("vit_base_patch16_radio_v3", 8, {**SMALL, "embed_dim": 96, "num_heads": 4}),
    Case("test_vit", 1, {"img_size": (64, 48)}),  # accepts images of any size by default
    Case("beit3_base_patch16_224", 1, {**SMALL, "embed_dim": 96, "num_heads": 4}),
    Case("aimv2_large_patch14_224", 0, {"depth": 2, "img_size": 56, "embed_dim": 96, "num_heads": 4}),
    Case("deit_tiny_distilled_patch16_224", 2),
    Case("deit3_small_patch16_224", 1),
    Case("vit_tiny_r_s16_p8_224", 1, {**SMALL, "img_size": 64}),  # patches of a small ResNet
    Case("vitamin_small_224", 0, {"img_size": 64, "depth": 2}),
    Case("eva_giant_patch14_224", 1, {"depth": 2, "img_size": 56, "embed_dim": 96, "num_heads": 4}),
    Case("cait_xxs24_224", 0),
]
"""One or more models of each family that reads a set of tokens with absolute positions."""

OBLONG: dict[str, Any] = {"depth": 2, "img_size": (64, 96)}
NARROW: dict[str, Any] = {**OBLONG, "embed_dim": 48, "num_heads": 4}
WITH_POSITIONS = [
    Case("eva02_tiny_patch14_224", 1, {"depth": 2, "img_size": (56, 84)}),
    Case("vit_small_patch16_rope_224", 1, OBLONG),
    Case("vit_small_patch16_rope_mixed_ape_224", 1, OBLONG),  # tables for each block and head, and absolute positions
    Case("vit_small_patch16_dinov3", 5, OBLONG),  # registers
    Case("vit_pe_core_tiny_patch16_384", 1, OBLONG),  # attention pooling
    Case("vit_medium_patch16_rope_reg1_gap_256", 1, OBLONG),
    Case("beit_base_patch16_224", 1, NARROW),
    Case("vit_relpos_small_patch16_224", 0, OBLONG),
    Case("vit_srelpos_small_patch16_224", 0, OBLONG),  # a bias that all blocks share
    Case("vit_relpos_base_patch16_clsgap_224", 1, NARROW),
    Case("vit_relpos_base_patch16_rpn_224", 0, NARROW),
]
"""Models of each family whose blocks have rotary positions or relative biases."""

ROTARY, IMAGE = "rotary positions", "2-D image"
REFUSED = {
    "samvit_base_patch16_224": "windows",
    "xcit_nano_12_p16_224": "convolve",
    "convit_tiny": "gated attention",
    "mixer_s32_224": "each slot",
    "crossvit_9_240": "two sequences",
    "tnt_s_patch16_224": "pixels",
    "naflexvit_base_patch16_gap": "may change with every batch",
    "qwen3_vit_88m": ROTARY,
    "volo_d1_224": IMAGE,
    "levit_128s": IMAGE,
    "pit_ti_224": IMAGE,
    "nest_tiny": IMAGE,
    "hiera_tiny_224": IMAGE,
    "swin_tiny_patch4_window7_224": IMAGE,
    "mvitv2_tiny": IMAGE,
    "twins_svt_small": IMAGE,
    "coat_tiny": IMAGE,
    "visformer_tiny": IMAGE,
    "resnet18": IMAGE,
}
"""An unsupported model of each family, and a word of the reason."""


def build(case: Case) -> nn.Module:
    """The model, small, in double precision and far from its initial values, which have nearly zero positions."""
    torch.manual_seed(0)
    return shaken(timm.create_model(case.name, pretrained=False, num_classes=5, **case.arguments)).double()


def shaken(model: nn.Module) -> nn.Module:
    """Random weights, in evaluation mode."""
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.3 if parameter.ndim != 2 else parameter.shape[1] ** -0.5
            parameter.add_(scale * torch.randn_like(parameter))
    return model.eval()


def images_for(model: Any, count: int = 2) -> Tensor:
    """Noise in the size that a model reads."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, *model.patch_embed.img_size, generator=generator).to(next(model.parameters()).dtype)


def order_of(patches: int) -> list[int]:
    """A permutation that is not its own inverse."""
    order: list[int] = torch.randperm(patches, generator=torch.Generator().manual_seed(2)).tolist()
    return order


@torch.no_grad()
def arrived(blocks: Any, run: Callable[[Tensor], Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """The input tokens of the first block, and the output."""
    seen: list[Tensor] = []
    handle = blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    output = run(images)
    handle.remove()
    (tokens,) = seen
    return tokens, output


def largest_difference(
    found: tuple[Tensor, Tensor], plain: tuple[Tensor, Tensor], order: list[int], prefix: int
) -> float:
    """The difference of tokens and outputs from those of the plain model with its patches in the order, relative to the
    largest.

    Args:
        found: tokens at the first block, and outputs.
        plain: the same for the unmodified timm model.
        order: the patch in each slot.
        prefix: tokens that stay in front.
    """
    tokens, output = plain
    in_order = torch.stack(
        [tokens[:, place] for place in range(prefix)] + [tokens[:, prefix + patch] for patch in order], dim=1
    )
    differences = []
    for ours, theirs in zip(found, (in_order, output), strict=True):
        assert ours.shape == theirs.shape
        assert bool(theirs.isfinite().all())
        differences.append(float((ours - theirs).abs().max() / theirs.abs().max()))
    return max(differences)


def with_lines(model: nn.Module, text: str, order: list[int], folder: Path) -> Any:
    """A copy of the model after running the lines, which read ``order.npy`` in the folder."""
    numpy.save(folder / "order.npy", numpy.array(order))
    ours = copy.deepcopy(model)
    exec(compile(text, "lines", "exec"), {"model": ours})
    return ours
