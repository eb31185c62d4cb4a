"""A gated MLP."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class SwiGLU(nn.Module):
    """Two maps to a hidden width, the SiLU of one of them times the other, and a map back.

    Source: Shazeer, "GLU Variants Improve Transformer", 2020, https://arxiv.org/abs/2002.05202.

    Args:
        dim: width of the embedding.
        hidden: hidden width.
        bias: whether the maps have biases, which start at zero.
    """

    def __init__(self, dim: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.gate, self.value = nn.Linear(dim, hidden, bias), nn.Linear(dim, hidden, bias)
        self.out = nn.Linear(hidden, dim, bias)
        if bias:
            for layer in (self.gate, self.value, self.out):
                nn.init.zeros_(layer.bias)

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Map each token by itself."""
        mapped: Tensor = self.out(F.silu(self.gate(tokens)) * self.value(tokens))
        return mapped
