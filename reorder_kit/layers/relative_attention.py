"""Multi-head attention over segments with memory, by the distance between slots."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit.ops.relative_attention import relative_attention
from reorder_kit.ops.segments import Segments


@dataclass(frozen=True)
class SegmentContext:
    """What all blocks share in one pass over a sequence.

    Args:
        segments: the segments of the sequence.
        visible: what each token of a segment sees of memory and segment.
        distances: sines and cosines of the distances, descending from the farthest.
        content_bias: the paper's u.
        position_bias: the paper's v.
    """

    segments: Segments
    visible: Bool[Tensor, "#batch segment query key"]
    distances: Float[Tensor, "distance dim"]
    content_bias: Float[Tensor, "head head_dim"]
    position_bias: Float[Tensor, "head head_dim"]


class RelativeAttention(nn.Module):
    """The attention of Transformer-XL (Dai et al., 2019, https://arxiv.org/abs/1901.02860), for all segments at once.

    The memory of a segment is this layer's input from the slots before it, so segments do not wait for each other. As
    published, no linear map has a bias.

    Args:
        dim: width of the tokens.
        heads: number of attention heads, a divisor of ``dim``.
        dropout: dropout probability on the result.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        self.relative_key = nn.Linear(dim, dim, bias=False)
        self.output = nn.Linear(dim, dim, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Float[Tensor, "batch token dim"],
        past: Float[Tensor, "batch past dim"] | None,
        context: SegmentContext,
    ) -> Float[Tensor, "batch token dim"]:
        """Let every token attend to its segment and the segment's memory.

        Args:
            tokens: the sequence.
            past: the tokens before the last segment as the memory holds them, equal to ``tokens`` in value but not in
                gradient; None if the gradient is also the same, or there is no memory.
            context: what all blocks share.
        """
        key, value = self._key_value(tokens, past, context.segments).chunk(2, dim=-1)
        attended = relative_attention(
            self._by_head(context.segments.split(self.query(tokens))),
            self._by_head(key),
            self._by_head(value),
            self._by_head(self.relative_key(context.distances)),
            context.content_bias,
            context.position_bias,
            context.visible,
        )
        joined = context.segments.join(attended.transpose(-3, -2).flatten(-2))
        mixed: Tensor = self.dropout(self.output(joined))
        return mixed

    def _by_head(self, tokens: Float[Tensor, "*batch token dim"]) -> Float[Tensor, "*batch head token head_dim"]:
        return tokens.reshape(*tokens.shape[:-1], self.heads, -1).transpose(-3, -2)

    def _key_value(
        self,
        tokens: Float[Tensor, "batch token dim"],
        past: Float[Tensor, "batch past dim"] | None,
        segments: Segments,
    ) -> Float[Tensor, "batch segment key key_value"]:
        """Keys and values, those of the memory first."""
        own: Tensor = self.key_value(tokens)
        if segments.memory == 0:
            return segments.split(own)
        remembered = segments.before_last(own) if past is None else self.key_value(past)
        return torch.cat([segments.remember(remembered), segments.split(own)], dim=2)
