"""Free vectors, such as those of a CLS token or of learned positions."""

from __future__ import annotations

import torch
from torch import nn


def learned_vectors(*shape: int) -> nn.Parameter:
    """Learned vectors that start as in ViT, from a truncated normal distribution with standard deviation 0.02."""
    # Imported on first use: timm takes seconds. torch's truncated normal draws other numbers.
    from timm.layers import trunc_normal_

    return nn.Parameter(trunc_normal_(torch.empty(*shape), std=0.02))
