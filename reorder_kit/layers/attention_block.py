"""A pre-norm transformer block around any attention."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from timm.layers import DropPath, LayerNorm, Mlp
from torch import Tensor, nn


class AttentionBlock(nn.Module):
    """timm's ``Block`` with its names and its starting weights, the attention replaced.

    Args:
        attention: what mixes the tokens; it gets what the block gets.
        dim: width of the tokens.
        mlp_ratio: width of the hidden layer of the MLP, times ``dim``.
        dropout: in the MLP, probability.
        drop_path: stochastic depth, probability.
    """

    def __init__(self, attention: nn.Module, dim: int, mlp_ratio: float, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = attention
        self.norm2 = LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), drop=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Float[Tensor, "batch token dim"], *context: Any) -> Float[Tensor, "batch token dim"]:
        """One step of attention and one of the MLP, each added to what was there.

        Args:
            tokens: what is mixed.
            context: whatever the attention takes besides: which tokens are valid, where they stand.
        """
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens), *context))
        mixed: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return mixed
