"""A pre-norm transformer block with attention in a window."""

from __future__ import annotations

from jaxtyping import Bool, Float
from timm.layers import DropPath, LayerNorm, Mlp
from torch import Tensor, nn

from reorder_kit.layers.attention_positions import NO_PLACES, TokenPlaces
from reorder_kit.layers.windowed_attention import WindowedAttention


class WindowedBlock(nn.Module):
    """timm's ``Block`` with its names and its starting weights, the attention replaced.

    Args:
        attention: what mixes the tokens.
        dim: width of the tokens.
        mlp_ratio: width of the hidden layer of the MLP, times ``dim``.
        dropout: in the MLP, probability.
        drop_path: stochastic depth, probability.
    """

    def __init__(
        self, attention: WindowedAttention, dim: int, mlp_ratio: float, dropout: float, drop_path: float
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attn = attention
        self.norm2 = LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), drop=dropout)
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        tokens: Float[Tensor, "batch token dim"],
        valid: Bool[Tensor, "batch slot"] | None = None,
        places: TokenPlaces = NO_PLACES,
    ) -> Float[Tensor, "batch token dim"]:
        """One step of attention and one of the MLP, each added to what was there."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens), valid, places))
        mixed: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return mixed
