"""The selective scan, step by step."""

# The symbols are those of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def selective_scan(
    u: Float[Tensor, "batch dim length"],
    delta: Float[Tensor, "batch dim length"],
    A: Float[Tensor, "dim state"],
    B: Float[Tensor, "batch state length"],
    C: Float[Tensor, "batch state length"],
    D: Float[Tensor, " dim"] | None = None,
    z: Float[Tensor, "batch dim length"] | None = None,
    delta_bias: Float[Tensor, " dim"] | None = None,
    delta_softplus: bool = False,
) -> Float[Tensor, "batch dim length"]:
    """``h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t`` and ``y_t = C_t h_t``, all in float64."""
    u, delta, A, B, C = (tensor.double() for tensor in (u, delta, A, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias.double().unsqueeze(-1)
    if delta_softplus:
        delta = F.softplus(delta)
    h = torch.zeros(len(u), *A.shape, dtype=torch.float64, device=u.device)
    outputs = []
    for u_t, delta_t, B_t, C_t in zip(u.unbind(-1), delta.unbind(-1), B.unbind(-1), C.unbind(-1), strict=True):
        h = torch.exp(delta_t[:, :, None] * A) * h + delta_t[:, :, None] * B_t[:, None, :] * u_t[:, :, None]
        outputs.append((C_t[:, None, :] * h).sum(dim=-1))
    y = torch.stack(outputs, dim=-1)
    if D is not None:
        y = y + D.double().unsqueeze(-1) * u
    return y if z is None else y * F.silu(z.double())
