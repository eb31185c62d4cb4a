"""Scores of patches, whose descending order is an order."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def scores_of_order(indices: Int[Tensor, " slot"], first: float, last: float) -> Float[Tensor, " patch"]:
    """Evenly spaced scores whose descending order is the given full order.

    They are *scattered*: ``scores[indices[slot]]`` is the slot's value. Gathering them instead would give the inverse
    order, from which the published code of REOrder (arXiv 2505.23751) starts.

    Args:
        indices: the patch in each slot.
        first: score of the patch in the first slot.
        last: score of the patch in the last slot, below ``first``.
    """
    values = torch.linspace(first, last, len(indices), device=indices.device)
    return torch.empty_like(values).scatter(0, indices, values)


def order_of_scores(scores: Float[Tensor, "*batch patch"]) -> Int[Tensor, "*batch slot"]:
    """Patches by descending score; equal scores keep their row-major sequence (a stable sort)."""
    return scores.detach().float().argsort(dim=-1, descending=True, stable=True)
