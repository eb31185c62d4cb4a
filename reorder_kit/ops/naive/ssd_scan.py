"""The scan of Mamba-2, step by step."""

# The symbols are those of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def ssd_scan(
    x: Float[Tensor, "batch length head dim"],
    dt: Float[Tensor, "batch length head"],
    A: Float[Tensor, " head"],
    B: Float[Tensor, "batch length group state"],
    C: Float[Tensor, "batch length group state"],
    D: Float[Tensor, " head"] | None = None,
    dt_bias: Float[Tensor, " head"] | None = None,
    dt_softplus: bool = False,
) -> Float[Tensor, "batch length head dim"]:
    """``h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t^T`` and ``y_t = h_t C_t + D x_t``, all in float64."""
    x, dt, A, B, C = (tensor.double() for tensor in (x, dt, A, B, C))
    if dt_bias is not None:
        dt = dt + dt_bias.double()
    if dt_softplus:
        dt = F.softplus(dt)
    batch, _, heads, dim = x.shape
    B, C = (tensor.repeat_interleave(heads // B.shape[2], dim=2) for tensor in (B, C))
    h = torch.zeros(batch, heads, dim, B.shape[-1], dtype=torch.float64, device=x.device)
    outputs = []
    for x_t, dt_t, B_t, C_t in zip(x.unbind(1), dt.unbind(1), B.unbind(1), C.unbind(1), strict=True):
        h = torch.exp(dt_t * A)[..., None, None] * h + (dt_t[..., None] * x_t)[..., None] * B_t[..., None, :]
        outputs.append((h * C_t[..., None, :]).sum(dim=-1))
    y = torch.stack(outputs, dim=1)
    return y if D is None else y + D.double()[:, None] * x
