"""timm's transformer block with rotary positions."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Shaped
from timm.layers import AttentionRope
from timm.models.vision_transformer import Block
from torch import Tensor


class RotaryBlock(Block):  # type: ignore[misc]  # timm has no types
    """timm's ``Block`` whose attention is timm's ``AttentionRope``, with the same names of weights.

    Args:
        dim: width of the tokens.
        num_heads: attention heads.
        arguments: the other arguments of ``Block``, as timm's VisionTransformer passes them.
    """

    def __init__(self, dim: int, num_heads: int, **arguments: Any) -> None:
        super().__init__(dim, num_heads, **arguments)
        # Tokens that are not rotated get angles of 0, so no prefix tokens are set apart.
        self.attn = AttentionRope(dim, num_heads, num_prefix_tokens=0, rotate_half=True)

    def forward(
        self,
        x: Float[Tensor, "batch token dim"],
        attn_mask: Shaped[Tensor, "#batch #head #token token"] | None = None,
        rope: Float[Tensor, "#batch 1 token turn"] | None = None,
    ) -> Float[Tensor, "batch token dim"]:
        """Apply attention and the MLP, each with a residual connection.

        Args:
            x: the tokens.
            attn_mask: as in timm's block.
            rope: sines and cosines, for each channel of a head.
        """
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x), rope=rope, attn_mask=attn_mask)))
        mixed: Tensor = x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))
        return mixed
