"""The fixed positions of ViT-MAE: sines and cosines of rows and columns."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def fixed_positions(side: int, dim: int) -> Float[Tensor, "token dim"]:
    """Those of CLS, zeros, and of the patches of a square grid, row by row (He et al., 2021, arXiv 2111.06377).

    A quarter of the width each: sines and cosines of the column, then sines and cosines of the row. transformers keeps
    this layout, which checkpoints have, but 5.24 leaves zeros in a model that is not loaded from a checkpoint.

    Args:
        side: patches along a side of the grid.
        dim: width of the encoder, a multiple of 4.
    """
    frequencies = 10_000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    angles = torch.arange(side, dtype=torch.float64).outer(frequencies)
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    table = torch.cat([waves.repeat(side, 1), waves.repeat_interleave(side, dim=0)], dim=1)
    return torch.cat([table.new_zeros(1, dim), table]).float()
