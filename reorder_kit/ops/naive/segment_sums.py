"""Sums over all segments of a sequence, one by one."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def segment_sums(values: Float[Tensor, "*batch step"]) -> Float[Tensor, "*batch step step"]:
    """The sum of ``values[j + 1], ..., values[i]`` in row ``i`` and column ``j``, in float64."""
    values = values.double()
    steps = range(values.shape[-1])
    none = torch.full_like(values[..., 0], -torch.inf)
    rows = [[values[..., j + 1 : i + 1].sum(dim=-1) if j <= i else none for j in steps] for i in steps]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
