"""Sliding-window attention, slot by slot."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def sliding_window_attention(
    query: Float[Tensor, "batch head slot dim"],
    key: Float[Tensor, "batch head token dim"],
    value: Float[Tensor, "batch head token dim"],
    window: int,
    causal: bool = False,
    num_global: int = 0,
    valid: Bool[Tensor, "batch slot"] | None = None,
    bias: Float[Tensor, "batch head slot slot"] | None = None,
) -> Float[Tensor, "batch head slot dim"]:
    """What each slot sees, looked up and averaged slot by slot; zeros for padding.

    Args:
        query: queries of the slots.
        key: keys of the global tokens, then of the slots.
        value: values, like the keys.
        window: number of slots seen on each side besides the slot itself.
        causal: a slot sees no slots after itself.
        num_global: number of global tokens.
        valid: False for padding.
        bias: added to the score of each slot (first) with each slot (second).
    """
    query, key, value = query.double(), key.double(), value.double()
    result = torch.zeros_like(query)
    for image in range(query.shape[0]):
        everyone = range(query.shape[2])
        members = [slot for slot in everyone if valid is None or valid[image, slot]]
        for place, slot in enumerate(members):
            end = place + 1 if causal else place + window + 1
            neighbours = members[max(0, place - window) : end]
            seen = [*range(num_global), *(num_global + neighbour for neighbour in neighbours)]
            for head in range(query.shape[1]):
                scores = key[image, head, seen] @ query[image, head, slot] / query.shape[3] ** 0.5
                if bias is not None:
                    own = bias[image, head, slot].double()[neighbours]
                    scores = scores + torch.cat([own.new_zeros(num_global), own])
                result[image, head, slot] = scores.softmax(dim=0) @ value[image, head, seen]
    return result
