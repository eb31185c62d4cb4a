"""Record timm's attention weights, for attention maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float
from timm.layers import Attention, AttentionRope
from timm.models.beit import Attention as BeitAttention
from timm.models.eva import EvaAttention
from timm.models.vision_transformer_relpos import RelPosAttention
from torch import Tensor, nn

_PLAIN = (Attention, AttentionRope, BeitAttention, EvaAttention, RelPosAttention)


def plain_attentions(blocks: Any) -> list[Any]:
    """The attention of each block whose attention is a softmax over tokens, applied only to its values.

    Args:
        blocks: the blocks of a timm model.
    """
    return [block.attn for block in blocks if type(getattr(block, "attn", None)) in _PLAIN]


@contextmanager
def recorded_weights(attentions: Sequence[Any]) -> Iterator[list[Float[Tensor, "batch token token"]]]:
    """Record each attention's weights, averaged over heads, with the fused operator off, as it exposes none."""
    weights: list[Tensor] = []

    def record(dropout: nn.Module, inputs: tuple[Tensor]) -> None:
        weights.append(inputs[0].mean(dim=1))

    fused = [attention.fused_attn for attention in attentions]
    handles = [attention.attn_drop.register_forward_pre_hook(record) for attention in attentions]
    try:
        for attention in attentions:
            attention.fused_attn = False
        yield weights
    finally:
        for attention, handle, was_fused in zip(attentions, handles, fused, strict=True):
            handle.remove()
            attention.fused_attn = was_fused
