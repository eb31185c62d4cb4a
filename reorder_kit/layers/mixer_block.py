"""A block of a model that walks along the sequence."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class MixerBlock(nn.Module):
    """A pre-norm mixer, added to a residual that keeps its dtype.

    Args:
        dim: width of the embedding.
        mixer: a module called with tokens and lengths; its last layer is ``out_proj``.
        drop_path: probability of stochastic depth.
        residuals: number of additions to the residual in all blocks of the model: the starting weight of ``out_proj``
            is divided by its square root, so that the residual does not start larger in deep models, as in mamba-ssm.
    """

    def __init__(self, dim: int, mixer: nn.Module, drop_path: float, residuals: int) -> None:
        # Imported on first use: timm takes seconds.
        from timm.layers import DropPath

        super().__init__()
        self.norm = nn.RMSNorm(dim, eps=1e-5)
        self.mixer = mixer
        self.drop_path = DropPath(drop_path)
        with torch.no_grad():
            self.mixer.get_parameter("out_proj.weight").div_(math.sqrt(residuals))

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch token dim"]:
        """Add the mixer's output to the tokens.

        Args:
            tokens: the tokens, with all padding after the valid slots.
            lengths: valid slots of each image; None if all are valid.
        """
        mixed: Tensor = self.drop_path(self.mixer(self.norm(tokens.to(self.norm.weight.dtype)), lengths))
        return tokens + mixed
