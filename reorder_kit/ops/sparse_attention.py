"""Attention in which a slot sees the slots of a pattern, and a few global tokens."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from reorder_kit.ops.sparse_pattern import SparsePattern

# Up to this length, one masked attention over the whole sequence is faster, as for windows.
_SHORT_SLOTS = 256


def sparse_attention(
    query: Float[Tensor, "batch head slot dim"],
    key: Float[Tensor, "batch head {num_global}+slot dim"],
    value: Float[Tensor, "batch head {num_global}+slot dim"],
    pattern: SparsePattern,
    causal: bool = False,
    num_global: int = 0,
    valid: Bool[Tensor, "batch slot"] | None = None,
) -> Float[Tensor, "batch head slot dim"]:
    """Let every slot attend to the slots that its pattern shows it, and to all global tokens.

    Time and memory grow with the number of pairs that see each other, up to all pairs: a pattern that would evaluate as
    many pairs is applied as a mask. Any length works.

    Args:
        query: queries of the slots.
        key: keys of the global tokens, then of the slots.
        value: values, like the keys.
        pattern: which slots see each other.
        causal: a slot sees no slots after itself.
        num_global: number of global tokens.
        valid: False for padding. Valid slots do not see it, and it takes no place in the pattern: valid slots get the
            same result as if the padding were cut out. The result of padding itself is finite but meaningless.

    >>> from reorder_kit.ops.strided_pattern import StridedPattern
    >>> slots = torch.tensor([[[[0.0], [3.0], [6.0], [9.0]]]])
    >>> alike = torch.zeros_like(slots)  # equal scores: the mean of what is seen
    >>> sparse_attention(alike, alike, slots, StridedPattern(2), causal=True).flatten().tolist()
    [0.0, 1.5, 3.0, 6.0]
    """
    if _is_masked(pattern, query.shape[2], causal):
        mask = sparse_mask(pattern, query.shape[2], causal, num_global, valid, query.device)
        return scaled_dot_product_attention(query, key, value, attn_mask=mask)
    if valid is None:
        return pattern.attend(query, key, value, causal, num_global, None)
    # With padding after the valid slots, valid slots have the same places as without it.
    order = valid.logical_not().int().argsort(dim=1, stable=True)
    global_tokens = torch.arange(num_global, device=order.device).expand(len(order), -1)
    tokens = torch.cat([global_tokens, order + num_global], dim=1)
    moved = (_take(query, order), _take(key, tokens), _take(value, tokens))
    attended = pattern.attend(*moved, causal, num_global, valid.sum(dim=1))
    return _take(attended, order.argsort(dim=1))


def _is_masked(pattern: SparsePattern, num_slots: int, causal: bool) -> bool:
    """Whether all pairs are evaluated, under a mask."""
    return num_slots <= _SHORT_SLOTS or pattern.pairs(num_slots, causal) >= num_slots**2


def sparse_attention_weights(
    query: Float[Tensor, "batch head slot dim"],
    key: Float[Tensor, "batch head {num_global}+slot dim"],
    pattern: SparsePattern,
    causal: bool = False,
    num_global: int = 0,
    valid: Bool[Tensor, "batch slot"] | None = None,
) -> Float[Tensor, "batch head slot {num_global}+slot"]:
    """The matrix that :func:`sparse_attention` multiplies values with.

    It is meant for inspection: time and memory grow with the square of the number of slots. It takes the arguments of
    :func:`sparse_attention`.
    """
    scores: Tensor = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
    mask = sparse_mask(pattern, query.shape[2], causal, num_global, valid, query.device)
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


def sparse_mask(
    pattern: SparsePattern,
    num_slots: int,
    causal: bool,
    num_global: int = 0,
    valid: Bool[Tensor, "batch slot"] | None = None,
    device: torch.device | None = None,
) -> Bool[Tensor, "*batch query token"]:
    """The mask of all pairs, of shape ``(query, key)``, or ``(batch, 1, query, key)`` with padding.

    Padding is seen only by itself, which keeps the softmax of its row defined.
    """
    if valid is None:
        places = torch.arange(num_slots, device=device)
        mask = pattern.sees(places, places, num_slots, causal)
    else:
        places = (valid.cumsum(dim=1) - 1).clamp(min=0)
        itself = torch.eye(num_slots, dtype=torch.bool, device=valid.device)
        seen = pattern.sees(places, places, valid.sum(dim=1), causal)
        mask = ((seen & valid.unsqueeze(1)) | itself).unsqueeze(1)
    return pad(mask, (num_global, 0), value=True) if num_global else mask


def _take(
    tensor: Float[Tensor, "batch head token dim"], places: Int[Tensor, "batch place"]
) -> Float[Tensor, "batch head place dim"]:
    return tensor.take_along_dim(places[:, None, :, None], dim=2)
