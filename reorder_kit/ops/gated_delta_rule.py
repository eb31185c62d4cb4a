"""The gated delta rule."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.ops._chunks import in_chunks
from reorder_kit.ops.segment_sums import segment_sums


def gated_delta_rule(
    q: Float[Tensor, "batch length key_head key"],
    k: Float[Tensor, "batch length key_head key"],
    v: Float[Tensor, "batch length head value"],
    g: Float[Tensor, "batch length head"],
    beta: Float[Tensor, "batch length head"],
    chunk_size: int = 64,
) -> Float[Tensor, "batch length head value"]:
    """Walk along a sequence with a memory of key-value pairs, in which a new value replaces the old one of its key.

    For every head, with its own memory S::

        S_t = exp(g_t) S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T
        o_t = S_t q_t

    Source: Yang et al., "Gated Delta Networks", 2024 (https://arxiv.org/abs/2412.06464), section 3.1; the chunked form
    is that of section 3.3 (the WY representation of a product of Householder-like matrices). Their alpha is ``exp(g)``.
    Names are those of ``chunk_gated_delta_rule`` in flash-linear-attention, which also scales q.

    Within a chunk, one triangular system gives what each step writes beyond what the memory already holds; from chunk
    to chunk, the memory is passed on. It is float32 under any autocast, and float64 for float64. Every decay is between
    0 and 1, computed from the sum over its own segment (:func:`~reorder_kit.ops.segment_sums.segment_sums`). Memory for
    the backward pass is linear in the length.

    Args:
        q: queries, not scaled here. Neighboring heads share those of one key head.
        k: keys, of length 1 at most, so that nothing grows; shared like the queries.
        v: values.
        g: logarithm of the share of the memory that is kept, 0 or less.
        beta: the share of a key's old value that is replaced, from 0 to 1.
        chunk_size: the largest number of steps in a chunk; affects time and memory, and the result only by rounding.

    Returns:
        o, in the dtype of v.

    >>> key = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).view(1, 3, 1, 2)
    >>> value = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    >>> step = torch.ones(1, 3, 1)
    >>> both = key.sum(dim=1, keepdim=True).clamp(max=1).expand_as(key)  # reads both keys: 3 replaces 1, beside 2
    >>> gated_delta_rule(both, key, value, 0 * step, step).flatten()
    tensor([1., 3., 5.])
    """
    wide = torch.promote_types(v.dtype, torch.float32)
    with torch.autocast(v.device.type, enabled=False):
        key_heads = k.shape[2]
        queries, keys, values, decays, rates = (
            torch.unflatten(in_chunks(tensor.to(wide), chunk_size).transpose(2, 3), 2, (key_heads, -1))
            for tensor in (q, k, v, g.unsqueeze(-1), beta.unsqueeze(-1))
        )
        o = _walk(queries, keys, values, decays, rates)
        o = o.flatten(2, 3).transpose(2, 3).flatten(1, 2)[:, : v.shape[1]]
    return o.to(v.dtype)


def _walk(
    queries: Float[Tensor, "batch chunk key_head 1 step key"],
    keys: Float[Tensor, "batch chunk key_head 1 step key"],
    values: Float[Tensor, "batch chunk key_head share step value"],
    decays: Float[Tensor, "batch chunk key_head share step 1"],
    rates: Float[Tensor, "batch chunk key_head share step 1"],
) -> Float[Tensor, "batch chunk key_head share step value"]:
    """The output of every step; decays are logarithms."""
    left = segment_sums(decays.squeeze(-1)).exp()
    from_start = decays.cumsum(dim=-2).exp()
    overlaps = rates * left * (keys @ keys.mT)
    known = torch.cat([values, from_start * keys], dim=-1)
    solved = torch.linalg.solve_triangular(overlaps, rates * known, upper=False, unitriangular=True)
    new, corrections = solved.split([values.shape[-1], keys.shape[-1]], dim=-1)
    inside = left * (queries @ keys.mT)
    reads, writes = from_start * queries, (left[..., -1, :].unsqueeze(-1) * keys).mT
    whole = from_start[..., -1:, :]
    memory = values.new_zeros(*values.shape[:1], *values.shape[2:4], keys.shape[-1], values.shape[-1])
    outputs = []
    for chunk in range(values.shape[1]):
        written = new[:, chunk] - corrections[:, chunk] @ memory
        outputs.append(reads[:, chunk] @ memory + inside[:, chunk] @ written)
        memory = whole[:, chunk] * memory + writes[:, chunk] @ written
    return torch.stack(outputs, dim=1)
