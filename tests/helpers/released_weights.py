"""Names and shapes of released checkpoints, from the released definitions, with random weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
STATE, CONV = 16, 4


def scan_shapes(prefix: str, suffix: str, inner: int, rank: int) -> Shapes:
    """The weights of each scan."""
    return {
        f"{prefix}.A{suffix}_log": (inner, STATE),
        f"{prefix}.D{suffix}": (inner,),
        f"{prefix}.conv1d{suffix}.weight": (inner, 1, CONV),
        f"{prefix}.conv1d{suffix}.bias": (inner,),
        f"{prefix}.x_proj{suffix}.weight": (rank + 2 * STATE, inner),
        f"{prefix}.dt_proj{suffix}.weight": (inner, rank),
        f"{prefix}.dt_proj{suffix}.bias": (inner,),
    }


def mixer_shapes(prefix: str, suffixes: tuple[str, ...], dim: int, expand: int) -> Shapes:
    inner, rank = expand * dim, math.ceil(dim / 16)
    shapes: Shapes = {f"{prefix}.in_proj.weight": (2 * inner, dim), f"{prefix}.out_proj.weight": (dim, inner)}
    for suffix in suffixes:
        shapes |= scan_shapes(prefix, suffix, inner, rank)
    return shapes


def linear(name: str, rows: int, columns: int) -> Shapes:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def norm(name: str, dim: int) -> Shapes:
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def arm_block_shapes(index: int, dim: int, suffixes: tuple[str, ...]) -> Shapes:
    layer, hidden = f"layers.{index}", dim * 8 // 3
    return {
        **mixer_shapes(f"{layer}.mixer", suffixes, dim, expand=1),
        **linear(f"{layer}.mlp.w1", hidden, dim),
        **linear(f"{layer}.mlp.w2", hidden, dim),
        **linear(f"{layer}.mlp.w3", dim, hidden),
        **norm(f"{layer}.norm1", dim),
        **norm(f"{layer}.norm2", dim),
    }


def patches_shapes(dim: int, patch: int, channels: int) -> Shapes:
    return {"patch_embed.proj.weight": (dim, channels, patch, patch), "patch_embed.proj.bias": (dim,)}


def arm_shapes(dim: int, depth: int, patches: int, patch: int = 16, channels: int = 3, classes: int = 1000) -> Shapes:
    """ARM after fine-tuning: Finetuning/models_mamba.py and Finetuning/mamba_simple.py of OliverRensu/ARM."""
    shapes: Shapes = {"cls_token": (1, 1, dim), "pos_embed": (1, patches + 1, dim)}
    shapes |= patches_shapes(dim, patch, channels) | linear("head", classes, dim)
    for index in range(depth):
        shapes |= arm_block_shapes(index, dim, ("", "_b", "_c", "_c_b"))
    return shapes | norm("norm_f", dim)


def arm_pretraining_shapes(dim: int, depth: int, patches: int, patch: int = 16, channels: int = 3) -> Shapes:
    """ARM before fine-tuning: models_pretrain.py of OliverRensu/ARM, with a decoder of width 8 and one block."""
    shapes: Shapes = {"pos_embed": (1, patches, dim), "ar_token": (1, 1, 8), "dec_pos_embed": (1, patches, 8)}
    shapes |= {"mask": (128, 128)} | patches_shapes(dim, patch, channels)
    for index in range(depth):
        shapes |= arm_block_shapes(index, dim, ("",))
    shapes |= linear("enc2dec", 32, 4 * dim) | norm("dec_block.0.norm1", 8) | norm("ar_norm", 8)
    for number in range(1, 5):
        shapes |= norm(f"norm_{number}", dim)
    return shapes | linear("ar_pred", 768, 8)


def vim_shapes(dim: int, depth: int, patches: int, patch: int = 16, channels: int = 3, classes: int = 1000) -> Shapes:
    """Vision Mamba: vim/models_mamba.py and mamba_simple.py of hustvl/Vim; norms there have no bias."""
    shapes: Shapes = {"cls_token": (1, 1, dim), "pos_embed": (1, patches + 1, dim)}
    shapes |= patches_shapes(dim, patch, channels) | linear("head", classes, dim)
    for index in range(depth):
        shapes |= mixer_shapes(f"layers.{index}.mixer", ("", "_b"), dim, expand=2)
        shapes[f"layers.{index}.norm.weight"] = (dim,)
    return shapes | {"norm_f.weight": (dim,)}


def count(shapes: Shapes) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def drawn(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random weights, close to the initial values of such models."""
    noise = torch.Generator().manual_seed(seed)
    weights = {name: 0.3 * torch.randn(shape, generator=noise) for name, shape in shapes.items()}
    for name, value in weights.items():
        if "norm" in name and name.endswith("weight"):
            value += 1
        if name.endswith("_log"):
            value.abs_()
    return weights
