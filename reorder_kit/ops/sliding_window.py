"""Attention in which a slot sees its neighbors in the sequence and a few global tokens."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from reorder_kit.ops._blockwise_window import blockwise_window_attention
from reorder_kit.ops._flex_window import flex_window_attention, flex_works_on
from reorder_kit.ops.biased_attention import biased_attention
from reorder_kit.ops.relative_bias import RelativeBias, added_scores
from reorder_kit.ops.window_mask import valid_window_mask, window_mask

# Up to these lengths, one masked attention over the whole sequence is fastest on CPU: in slots, and in windows.
_SHORT_SLOTS, _SHORT_WINDOWS = 256, 4


def sliding_window_attention(
    query: Float[Tensor, "batch head slot dim"],
    key: Float[Tensor, "batch head {num_global}+slot dim"],
    value: Float[Tensor, "batch head {num_global}+slot dim"],
    window: int,
    causal: bool = False,
    num_global: int = 0,
    valid: Bool[Tensor, "batch slot"] | None = None,
    biases: tuple[RelativeBias, ...] = (),
) -> Float[Tensor, "batch head slot dim"]:
    """Let every slot attend to itself, its neighbors, and all global tokens.

    Time and memory grow in proportion to the number of slots, on every device: long sequences are cut into blocks, or
    passed to FlexAttention on CUDA. Any length works.

    Source: Beltagy et al., "Longformer: The Long-Document Transformer", 2020 (https://arxiv.org/abs/2004.05150),
    section 3.1; their w is twice our ``window``, and their Q_s, K_s, V_s are our ``query``, ``key``, ``value``. What
    the global tokens themselves see, with Q_g, K_g, V_g, is ordinary attention, which this function leaves out.

    Args:
        query: queries of the slots.
        key: keys of the global tokens, then of the slots.
        value: values, like the keys.
        window: number of slots seen on each side besides the slot itself, from 0; larger windows than the sequence see
            all.
        causal: a slot sees no slots after itself.
        num_global: number of global tokens.
        valid: False for padding. Valid slots do not see it, and it takes no place in a window: valid slots get the same
            result as if the padding were cut out. The result of padding itself is finite but meaningless.
        biases: added to the scores of slots with slots; global tokens have none.

    >>> slots = torch.tensor([[[[0.0], [3.0], [6.0]]]])
    >>> alike = torch.zeros_like(slots)  # equal scores: the mean of what is seen
    >>> sliding_window_attention(alike, alike, slots, window=1).flatten().tolist()
    [1.5, 3.0, 4.5]
    >>> sliding_window_attention(alike, alike, slots, window=1, causal=True).flatten().tolist()
    [0.0, 1.5, 4.5]
    """
    length = query.shape[2]
    if length <= max(_SHORT_SLOTS, _SHORT_WINDOWS * window):
        mask = _mask(length, window, causal, num_global, valid, query.device)
        added = _added(biases, num_global)
        if added is None:
            return scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return biased_attention(query, key, value, added if mask is None else added.masked_fill(~mask, -torch.inf))
    if valid is None:
        if flex_works_on(query) and not biases:
            return flex_window_attention(query, key, value, window, causal, num_global)
        return blockwise_window_attention(query, key, value, window, causal, num_global, None, biases)
    # With padding after the valid slots, valid slots have the same distances as without it.
    order = valid.logical_not().int().argsort(dim=1, stable=True)
    global_tokens = torch.arange(num_global, device=order.device).expand(len(order), -1)
    tokens = torch.cat([global_tokens, order + num_global], dim=1)
    attended = blockwise_window_attention(
        _take(query, order),
        _take(key, tokens),
        _take(value, tokens),
        window,
        causal,
        num_global,
        valid.gather(1, order),
        tuple(bias.taken(order) for bias in biases),
    )
    return _take(attended, order.argsort(dim=1))


def sliding_window_weights(
    query: Float[Tensor, "batch head slot dim"],
    key: Float[Tensor, "batch head {num_global}+slot dim"],
    window: int,
    causal: bool = False,
    num_global: int = 0,
    valid: Bool[Tensor, "batch slot"] | None = None,
    biases: tuple[RelativeBias, ...] = (),
) -> Float[Tensor, "batch head slot {num_global}+slot"]:
    """The matrix that :func:`sliding_window_attention` multiplies values with.

    It is meant for inspection: time and memory grow with the square of the number of slots. It takes the arguments of
    :func:`sliding_window_attention`.

    >>> alike = torch.zeros(1, 1, 3, 1)
    >>> sliding_window_weights(alike, alike, window=1, causal=True)[0, 0].tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    """
    scores: Tensor = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
    added = _added(biases, num_global)
    scores = scores if added is None else scores + added
    mask = _mask(query.shape[2], window, causal, num_global, valid, query.device)
    return (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(dim=-1)


def _mask(
    length: int,
    window: int,
    causal: bool,
    num_global: int,
    valid: Bool[Tensor, "batch slot"] | None,
    device: torch.device,
) -> Bool[Tensor, "*batch query key"] | None:
    if valid is not None:
        mask = valid_window_mask(valid, window, causal).unsqueeze(1)
    elif causal or window < length - 1:
        # The compiler includes the function, and would warn about a cache.
        mask = (window_mask if torch.compiler.is_compiling() else _cached_window_mask)(length, window, causal, device)
    else:
        return None
    return pad(mask, (num_global, 0), value=True) if num_global else mask


@lru_cache(maxsize=8)
def _cached_window_mask(
    length: int, window: int, causal: bool, device: torch.device | None
) -> Bool[Tensor, "query key"]:
    """The same for all blocks of a backbone; also usable in training if evaluation needed it first."""
    with torch.inference_mode(False):
        return window_mask(length, window, causal, device)


def _added(biases: tuple[RelativeBias, ...], num_global: int) -> Float[Tensor, "#batch head query key"] | None:
    added = added_scores(biases)
    return added if added is None or not num_global else pad(added, (num_global, 0))


def _take(
    tensor: Float[Tensor, "batch head token dim"], places: Int[Tensor, "batch place"]
) -> Float[Tensor, "batch head place dim"]:
    return tensor.take_along_dim(places[:, None, :, None], dim=2)
