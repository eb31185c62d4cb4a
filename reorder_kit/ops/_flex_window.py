"""Sliding-window attention with FlexAttention, on CUDA."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

_BLOCK = 128  # slots of a tile, FlexAttention's default


def flex_works_on(query: Float[Tensor, "batch head slot dim"]) -> bool:
    """Whether FlexAttention has kernels for it: on CUDA, single precision at most, heads of width 16 or more."""
    return query.is_cuda and query.dtype != torch.float64 and query.shape[3] >= 16


def flex_window_attention(
    query: Float[Tensor, "batch head slot dim"],
    key: Float[Tensor, "batch head {num_global}+slot dim"],
    value: Float[Tensor, "batch head {num_global}+slot dim"],
    window: int,
    causal: bool,
    num_global: int,
) -> Float[Tensor, "batch head slot dim"]:
    """Sliding-window attention of the slots.

    Source: Dong et al., "Flex Attention: A Programming Model for Generating Optimized Attention Kernels", 2024
    (https://arxiv.org/abs/2412.05496).

    Args:
        query: queries of the slots.
        key: keys of the global tokens, then of the slots.
        value: values, like the keys.
        window: number of slots seen on each side besides the slot itself.
        causal: a slot sees no slots after itself.
        num_global: number of global tokens.
    """
    arguments = query.shape[2], window, causal, num_global, query.device
    if torch.compiler.is_compiling():  # the running compiler includes it
        attended: Tensor = flex_attention(query, key, value, block_mask=window_block_mask(*arguments))
    else:
        attended = _compiled_attention()(query, key, value, block_mask=cached_block_mask(*arguments))
    return attended


@lru_cache(maxsize=32)
def cached_block_mask(
    length: int, window: int, causal: bool, num_global: int, device: torch.device | None = None
) -> BlockMask:
    """The mask of ``window_block_mask``, created once; also usable in training if evaluation needed it first."""
    with torch.inference_mode(False):
        return window_block_mask(length, window, causal, num_global, device)


def window_block_mask(
    length: int, window: int, causal: bool, num_global: int, device: torch.device | None = None
) -> BlockMask:
    """Which tiles of 128 queries by 128 keys contain visible keys, and which keys these are.

    Computed from the corners of a tile, because torch's ``create_block_mask`` evaluates every pair of tokens and needs
    memory for all of them.

    Args:
        length: number of slots.
        window: number of slots seen on each side besides the slot itself.
        causal: a slot sees no slots after itself.
        num_global: number of global tokens, before the slots among the keys.
        device: the device of the mask.
    """
    query = torch.arange(0, length, _BLOCK, device=device).unsqueeze(1)
    key = torch.arange(0, num_global + length, _BLOCK, device=device)
    nearest_behind = query - (key + _BLOCK - 1 - num_global)
    farthest_behind = query + _BLOCK - 1 - (key - num_global)
    ahead = 0 if causal else window
    seen = (key < num_global) | ((nearest_behind <= window) & (farthest_behind >= -ahead))
    return BlockMask.from_kv_blocks(
        seen.sum(dim=1, dtype=torch.int32)[None, None],
        seen.int().argsort(dim=1, descending=True, stable=True).int()[None, None],
        BLOCK_SIZE=_BLOCK,
        mask_mod=window_mask_mod(window, causal, num_global),
        seq_lengths=(length, num_global + length),
    )


def window_mask_mod(window: int, causal: bool, num_global: int) -> Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """The function of batch, head, query and key that tells FlexAttention whether a query sees a key."""
    ahead = 0 if causal else window
    # A lambda, because FlexAttention inspects the function, and tests wrap named ones to check shapes.
    return lambda _batch, _head, query, key: (
        (key < num_global) | ((query <= key - num_global + window) & (query >= key - num_global - ahead))
    )


@cache
def _compiled_attention() -> Any:
    return torch.compile(flex_attention)
