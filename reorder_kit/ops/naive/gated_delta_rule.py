"""The gated delta rule, step by step."""

# The symbols are those of the paper.
# ruff: noqa: N806

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def gated_delta_rule(
    q: Float[Tensor, "batch length key_head key"],
    k: Float[Tensor, "batch length key_head key"],
    v: Float[Tensor, "batch length head value"],
    g: Float[Tensor, "batch length head"],
    beta: Float[Tensor, "batch length head"],
) -> Float[Tensor, "batch length head value"]:
    """``S_t = exp(g_t) S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T`` and ``o_t = S_t q_t``, all in float64."""
    q, k, v, g, beta = (tensor.double() for tensor in (q, k, v, g, beta))
    batch, length, heads, width = v.shape
    q, k = (tensor.repeat_interleave(heads // k.shape[2], dim=2).unsqueeze(-1) for tensor in (q, k))
    unit = torch.eye(k.shape[-2], dtype=torch.float64, device=v.device)
    S = torch.zeros(batch, heads, width, k.shape[-2], dtype=torch.float64, device=v.device)
    outputs = []
    for t in range(length):
        kept, rate = g[:, t, :, None, None].exp(), beta[:, t, :, None, None]
        k_t = k[:, t]
        S = kept * S @ (unit - rate * k_t @ k_t.mT) + rate * v[:, t].unsqueeze(-1) @ k_t.mT
        outputs.append((S @ q[:, t]).squeeze(-1))
    return torch.stack(outputs, dim=1)
