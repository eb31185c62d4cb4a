"""Relative attention, query by query."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def relative_attention(
    query: Float[Tensor, "query dim"],
    key: Float[Tensor, "key dim"],
    value: Float[Tensor, "key dim"],
    relative_key: Float[Tensor, "distance dim"],
    content_bias: Float[Tensor, " dim"],
    position_bias: Float[Tensor, " dim"],
    visible: Bool[Tensor, "query key"],
) -> Float[Tensor, "query dim"]:
    """Relative attention of one head; the arguments are those of the fast version."""
    (queries, dim), keys = query.shape, len(key)
    attended = []
    for place in range(queries):
        token = keys - queries + place
        seen = [other for other in range(keys) if visible[place, other]]
        scores = []
        for other in seen:
            distance = token - other
            content = (query[place] + content_bias) @ key[other]
            position = (query[place] + position_bias) @ relative_key[keys - 1 - distance]
            scores.append((content + position) / dim**0.5)
        attended.append(torch.stack(scores).softmax(dim=0) @ value[seen])
    return torch.stack(attended)
