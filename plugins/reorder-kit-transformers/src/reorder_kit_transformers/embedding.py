"""Tokens before the first block: patches with their positions, and what stands before them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit_transformers.configuration import Plan


def embedded_patches(
    model: Any, plan: Plan, images: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, "batch patch dim"]:
    """Row-major patches, absolute positions added to each: they stay with their patch wherever it is moved."""
    patches: Tensor = getattr(model.embeddings, plan.family.patches)(images)
    if patches.ndim == 4:  # of a bare convolution
        patches = patches.flatten(2).transpose(1, 2)
    positions = _patch_positions(model, plan)
    return _dropped(model, patches if positions is None else patches + positions)


def tokens_before(model: Any, plan: Plan) -> Float[Tensor, "1 extra dim"] | None:
    """CLS, distillation and register tokens with their positions; None for an encoder without them."""
    if not plan.family.tokens:
        return None
    parts = [getattr(model.embeddings, name) for name in plan.family.tokens]
    tokens = torch.cat([part.reshape(1, -1, part.shape[-1]) for part in parts], dim=1)
    table = _table(model, plan)
    if table is not None:
        positioned = plan.family.positioned
        tokens = torch.cat([tokens[:, :positioned] + table[:, :positioned], tokens[:, positioned:]], dim=1)
    return _dropped(model, tokens)


def _patch_positions(model: Any, plan: Plan) -> Float[Tensor, "1 patch dim"] | None:
    """By patch; resampled by transformers itself where they were made for another grid."""
    table, positioned = _table(model, plan), plan.family.positioned
    if table is None or plan.grid == plan.own_grid:
        return None if table is None else table[:, positioned:]
    side = plan.config.patch_size
    shaped = table.new_empty(1, positioned + plan.grid.num_patches, table.shape[-1])  # only its shape is read
    resampled: Tensor = model.embeddings.interpolate_pos_encoding(
        shaped, plan.grid.height * side, plan.grid.width * side
    )
    return resampled[:, positioned:]


def _table(model: Any, plan: Plan) -> Float[Tensor, "1 token dim"] | None:
    """Absolute positions of tokens that have one, then of patches."""
    if not plan.has_positions:
        return None
    found = getattr(model.embeddings, str(plan.family.positions))
    table: Tensor = found.weight.unsqueeze(0) if isinstance(found, nn.Embedding) else found
    return table


def _dropped(model: Any, tokens: Tensor) -> Tensor:
    dropped: Tensor = model.embeddings.dropout(tokens) if hasattr(model.embeddings, "dropout") else tokens
    return dropped
