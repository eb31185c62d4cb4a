"""A pre-norm transformer block with any attention."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from timm.layers import DropPath, LayerNorm, Mlp
from torch import Tensor, nn


class AttentionBlock(nn.Module):
    """timm's ``Block``, with its names and starting weights, but another attention.

    Args:
        attention: the module that mixes the tokens; it gets the same arguments as the block.
        dim: width of the tokens.
        mlp_ratio: width of the hidden layer of the MLP, times ``dim``.
        dropout: dropout probability in the MLP.
        drop_path: probability of stochastic depth.
    """

    def __init__(self, attention: nn.Module, dim: int, mlp_ratio: float, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = attention
        self.norm2 = LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), drop=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Float[Tensor, "batch token dim"], *context: Any) -> Float[Tensor, "batch token dim"]:
        """Apply attention and the MLP, each with a residual connection.

        Args:
            tokens: the tokens.
            context: further arguments of the attention: which tokens are valid, their places.
        """
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens), *context))
        mixed: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return mixed
