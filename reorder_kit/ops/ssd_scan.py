"""The scan of Mamba-2: structured state space duality."""

# The symbols are those of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from reorder_kit.ops._chunks import in_chunks
from reorder_kit.ops.segment_sums import segment_sums


def ssd_scan(
    x: Float[Tensor, "batch length head dim"],
    dt: Float[Tensor, "batch length head"],
    A: Float[Tensor, " head"],
    B: Float[Tensor, "batch length group state"],
    C: Float[Tensor, "batch length group state"],
    D: Float[Tensor, " head"] | None = None,
    dt_bias: Float[Tensor, " head"] | None = None,
    dt_softplus: bool = False,
    chunk_size: int = 64,
) -> Float[Tensor, "batch length head dim"]:
    """Walk along a sequence with a matrix as the state, which decays by one factor per head and step.

    For every head, with its own state h::

        h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t^T
        y_t = h_t C_t + D x_t

    Source: Dao and Gu, "Transformers are SSMs", 2024 (https://arxiv.org/abs/2405.21060), section 6 and listing 1. Names
    and shapes are those of ``mamba_chunk_scan_combined`` in the package mamba-ssm.

    Within a chunk, this is attention with a mask of decays; from chunk to chunk, the state is passed on. The state is
    float32 under any autocast, and float64 for float64. Safe for any step size and length: every factor is a decay
    between 0 and 1, computed from the sum over its own segment (:func:`~reorder_kit.ops.segment_sums.segment_sums`).
    Memory is linear in the length.

    Args:
        x: input.
        dt: step size, before bias and softplus.
        A: rate of change of the state, 0 or less.
        B: how the input is written into the state; neighboring heads form a group and share them.
        C: how the state is read; shared like B.
        D: factor of the input that is added to the output.
        dt_bias: added to dt.
        dt_softplus: make dt positive by a softplus.
        chunk_size: the largest number of steps in a chunk; affects time and memory, and the result only by rounding.

    Returns:
        y, in the dtype of x.

    >>> ones = torch.ones(1, 3, 1, 1)
    >>> ssd_scan(ones, ones[..., 0], A=torch.zeros(1), B=ones, C=ones).flatten()  # nothing decays: a running sum
    tensor([1., 2., 3.])
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        inputs, dt, A, B, C = (tensor.to(wide) for tensor in (x, dt, A, B, C))
        if dt_bias is not None:
            dt = dt + dt_bias.to(wide)
        if dt_softplus:
            dt = F.softplus(dt)
        groups = B.shape[2]
        written = _by_group(in_chunks(inputs * dt.unsqueeze(-1), chunk_size), groups)
        decays = _by_group(in_chunks((dt * A).unsqueeze(-1), chunk_size), groups).squeeze(-1)
        write, read = (in_chunks(tensor, chunk_size).transpose(2, 3) for tensor in (B, C))
        y = _scan(written, decays, write, read)
        y = y.flatten(2, 3).transpose(2, 3).flatten(1, 2)[:, : x.shape[1]]
        if D is not None:
            y = y + D.to(wide).unsqueeze(-1) * inputs
    return y.to(x.dtype)


def _by_group(
    values: Float[Tensor, "batch chunk step head dim"], groups: int
) -> Float[Tensor, "batch chunk group share step dim"]:
    return torch.unflatten(values.transpose(2, 3), 2, (groups, -1))


def _scan(
    written: Float[Tensor, "batch chunk group share step dim"],
    decays: Float[Tensor, "batch chunk group share step"],
    write: Float[Tensor, "batch chunk group step state"],
    read: Float[Tensor, "batch chunk group step state"],
) -> Float[Tensor, "batch chunk group share step dim"]:
    """The output of every step; decays are logarithms."""
    left = segment_sums(decays).exp()
    scores = (read @ write.mT).unsqueeze(3)
    y = (scores * left) @ written
    if decays.shape[1] == 1:
        return y
    to_end = left[:, :-1, ..., -1, :].unsqueeze(-1)
    added = torch.einsum("bcgrsp,bcgsn->bcgrpn", to_end * written[:, :-1], write[:, :-1])
    whole = decays[:, :-1].sum(dim=-1).exp()[..., None, None]
    state = torch.zeros_like(added[:, 0])
    starts = [state]
    for kept, new in zip(whole.unbind(1), added.unbind(1), strict=True):
        state = kept * state + new
        starts.append(state)
    carried = torch.einsum("bcgsn,bcgrpn->bcgrsp", read, torch.stack(starts, dim=1))
    return y + decays.cumsum(dim=-1).exp().unsqueeze(-1) * carried
