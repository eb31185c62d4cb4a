"""A gated MLP."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class SwiGLU(nn.Module):
    """Two maps to a hidden width, the SiLU of one of them times the other, and a map back.

    Source: Shazeer, "GLU Variants Improve Transformer", 2020, https://arxiv.org/abs/2002.05202; with biases, which
    start at zero.

    Args:
        dim: width of the embedding.
        hidden: width in between.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gate, self.value = nn.Linear(dim, hidden), nn.Linear(dim, hidden)
        self.out = nn.Linear(hidden, dim)
        for layer in (self.gate, self.value, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Map each token by itself."""
        mapped: Tensor = self.out(F.silu(self.gate(tokens)) * self.value(tokens))
        return mapped
