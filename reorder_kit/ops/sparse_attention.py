"""Attention in which a slot sees the slots of a pattern, and a few global tokens."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from reorder_kit.ops.sparse_pattern import SparsePattern

# Up to here, one masked attention over the whole sequence: it is the faster one, as for windows.
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

    Time and memory grow with the number of pairs that see each other, up to all pairs: a pattern that would look at as
    many is a mask over the whole. No length has to be a multiple of anything.

    Args:
        query: of the slots.
        key: of the global tokens, then of the slots.
        value: as the keys.
        pattern: which slots see each other.
        causal: no slot after the slot itself is seen.
        num_global: global tokens.
        valid: False for padding. It is seen by no valid slot and takes no place in the pattern: valid slots get what
            they would get if the padding were cut out. What padding itself gets is finite and means nothing.

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
    # With the padding behind the valid slots, places of valid slots are what they would be without it.
    order = valid.logical_not().int().argsort(dim=1, stable=True)
    global_tokens = torch.arange(num_global, device=order.device).expand(len(order), -1)
    tokens = torch.cat([global_tokens, order + num_global], dim=1)
    moved = (_take(query, order), _take(key, tokens), _take(value, tokens))
    attended = pattern.attend(*moved, causal, num_global, valid.sum(dim=1))
    return _take(attended, order.argsort(dim=1))


def _is_masked(pattern: SparsePattern, num_slots: int, causal: bool) -> bool:
    """Whether all pairs are looked at, under a mask."""
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

    It is there to be looked at: time and memory grow with the square of the number of slots. Arguments are those of
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
    """All pairs, of shape ``(query, key)``, or ``(batch, 1, query, key)`` with padding.

    Padding is seen by nobody but itself. That one exception keeps the softmax of a row defined.
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
