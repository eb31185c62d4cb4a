"""A block of Mamba."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from timm.layers import DropPath
from torch import Tensor, nn

from reorder_kit.layers.mamba_mixer import MambaMixer


class MambaBlock(nn.Module):
    """A mixer, pre-norm, on a residual that keeps its own dtype.

    Args:
        mixer: what mixes the tokens.
        dim: width of the tokens.
        depth: blocks of the model, so that the residual starts no larger in deep ones, as in mamba-ssm.
        drop_path: stochastic depth, probability.
    """

    def __init__(self, mixer: MambaMixer, dim: int, depth: int, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(dim, eps=1e-5)
        self.mixer = mixer
        self.drop_path = DropPath(drop_path)
        with torch.no_grad():
            self.mixer.out_proj.weight /= math.sqrt(depth)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch token dim"]:
        """Add what the mixer makes of the tokens; ``lengths`` as in the mixer."""
        mixed: Tensor = self.drop_path(self.mixer(self.norm(tokens.to(self.norm.weight.dtype)), lengths))
        return tokens + mixed
