"""Sliding-window attention block by block: linear memory, with the fused attention available on every device."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from reorder_kit.ops.biased_attention import biased_attention
from reorder_kit.ops.relative_bias import RelativeBias, sum_of

# The queries of a block share the keys of the block and of a window on either side. Large blocks compare many pairs
# that do not see each other, small ones copy keys often: blocks as large as a window are fastest, measured on CPU, but
# not below 32 slots.
_SMALLEST_BLOCK = 32


def blockwise_window_attention(
    query: Float[Tensor, "batch head slot dim"],
    key: Float[Tensor, "batch head {num_global}+slot dim"],
    value: Float[Tensor, "batch head {num_global}+slot dim"],
    window: int,
    causal: bool,
    num_global: int,
    valid: Bool[Tensor, "batch slot"] | None = None,
    biases: tuple[RelativeBias, ...] = (),
) -> Float[Tensor, "batch head slot dim"]:
    """Sliding-window attention of the slots; all blocks go into one call of fused attention.

    Args:
        query: queries of the slots.
        key: keys of the global tokens, then of the slots.
        value: values, like the keys.
        window: number of slots seen on each side besides the slot itself.
        causal: a slot sees no slots after itself.
        num_global: number of global tokens.
        valid: False for padding, which must come after the valid slots. Valid slots do not see it.
        biases: added to the scores of slots with slots.
    """
    batch, heads, length, dim = query.shape
    size = max(_SMALLEST_BLOCK, window)
    num_blocks = -(-length // size)
    excess, after = num_blocks * size - length, 0 if causal else window

    def surroundings(slots: Tensor, axis: int) -> Tensor:
        """What a block may see: slots before it, its own and after it, in a new last dimension."""
        widths = (0, 0) * (slots.ndim - 1 - axis) + (window, excess + after)
        return pad(slots, widths).unfold(axis, window + size + after, size)

    def added(bias: RelativeBias) -> Tensor:
        """The bias of each block's queries and keys, heads in the batch; nothing for global tokens."""
        queries = pad(bias.places, (0, excess)).reshape(-1, num_blocks, size)
        scores = bias.between(queries, surroundings(bias.places, axis=1)).transpose(1, 2)
        return pad(scores.expand(batch, -1, -1, -1, -1).flatten(0, 1), (num_global, 0))

    def seen(tokens: Tensor) -> Tensor:
        blocks = surroundings(tokens[:, :, num_global:], axis=2).transpose(-1, -2)
        shared = tokens[:, :, None, :num_global].expand(-1, -1, num_blocks, -1, -1)
        return torch.cat([shared, blocks], dim=3).flatten(0, 1)

    exists = query.new_ones(1, length, dtype=torch.bool) if valid is None else valid
    mask = pad(_block_mask(surroundings(exists, axis=1), size, window, causal), (num_global, 0), value=True)
    if valid is not None:
        mask = mask.repeat_interleave(heads, dim=0)
    # The fused kernels take two batch dimensions: blocks take the place of heads, and heads join the batch.
    queries = pad(query, (0, 0, 0, excess)).reshape(batch * heads, num_blocks, size, dim)
    bias = sum_of([added(each) for each in biases])
    if bias is None:
        attended = scaled_dot_product_attention(queries, seen(key), seen(value), attn_mask=mask)
    else:
        attended = biased_attention(queries, seen(key), seen(value), bias.masked_fill(~mask, -torch.inf))
    return attended.reshape(batch, heads, num_blocks * size, dim)[:, :, :length]


def _block_mask(
    exists: Bool[Tensor, "batch block key"], size: int, window: int, causal: bool
) -> Bool[Tensor, "batch block query key"]:
    """Which of its block's keys a query sees. Every query sees itself, even padding, so that no softmax is empty."""
    query = torch.arange(size, device=exists.device)
    key = torch.arange(exists.shape[2], device=exists.device) - window
    behind = query.unsqueeze(1) - key
    near = (behind <= window) & (behind >= (0 if causal else -window))
    return (near & exists.unsqueeze(2)) | (behind == 0)
