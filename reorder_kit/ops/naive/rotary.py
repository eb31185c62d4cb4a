"""Rotation of queries and keys, pair by pair."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def rotate(vectors: Float[Tensor, "token dim"], angles: Float[Tensor, "token pair"]) -> Float[Tensor, "token dim"]:
    """Each pair of channels as a complex number, times ``exp(i * angle)``."""
    pairs = vectors.shape[1] // 2
    rows = []
    for vector, turns in zip(vectors, angles, strict=True):
        turned = [torch.complex(vector[i], vector[pairs + i]) * torch.exp(1j * turns[i]) for i in range(pairs)]
        rows.append(torch.stack([z.real for z in turned] + [z.imag for z in turned]))
    return torch.stack(rows)
