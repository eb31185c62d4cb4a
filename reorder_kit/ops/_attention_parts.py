"""Attention computed in parts: queries in tiles, and several groups of keys under one softmax."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad


def tiled(tokens: Float[Tensor, "batch head slot dim"], size: int) -> Float[Tensor, "batch head tile {size} dim"]:
    """Slots in tiles of ``size``; the last one is padded with zeros."""
    batch, heads, length, dim = tokens.shape
    return pad(tokens, (0, 0, 0, -length % size)).reshape(batch, heads, -1, size, dim)


def exists(
    place: Int[Tensor, "*shape"], num_slots: int, num_valid: Int[Tensor, " batch"] | None
) -> Bool[Tensor, "*batch_shape"]:
    """Which places hold a valid slot; with ``num_valid``, a first dimension has one answer for each image."""
    if num_valid is None:
        return (place >= 0) & (place < num_slots)
    return (place >= 0) & (place < num_valid.reshape(-1, *[1] * place.ndim))


def shares_of_parts(
    scores: list[Float[Tensor, "batch head tile query _"]], masks: list[Bool[Tensor, "..."]]
) -> tuple[Float[Tensor, "batch head tile query _"], ...]:
    """One softmax over all parts of what a query sees.

    Args:
        scores: scores of each part, with the keys of a part in its last dimension.
        masks: which of them are seen, of shape ``(tile, query, key)`` or ``(batch, tile, query, key)``, or 1 for any of
            these; each query needs at least one in all parts together.
    """
    by_head = [mask.unsqueeze(1) if mask.ndim == 4 else mask for mask in masks]
    masked = [part.masked_fill(~mask, -torch.inf) for part, mask in zip(scores, by_head, strict=True)]
    together = torch.cat(masked, dim=-1)
    precise = torch.promote_types(together.dtype, torch.float32)
    shares = together.softmax(dim=-1, dtype=precise).to(together.dtype)
    return torch.split(shares, [part.shape[-1] for part in scores], dim=-1)
