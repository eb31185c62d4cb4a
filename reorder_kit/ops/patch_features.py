"""What a ridge regression is told of each patch."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

COMPONENTS = 16
MOST_FEATURES = 8192
"""Of all patches together: with more patches than 256, each has fewer components."""
_LEAST_VARIANCE = 1e-9  # of a component, as a share of the largest of any patch: below it there is only rounding


def patch_features(
    patches: Float[Tensor, "image patch pixel"], components: int = COMPONENTS, most: int = MOST_FEATURES
) -> Float[Tensor, "image patch feature"]:
    """Whitened principal components of each patch and their squares, each with mean 0 and variance 1 over images.

    Every patch has components of its own. Those without variance, and squares that never vary, are 0.

    Args:
        patches: pixels, row-major.
        components: at most, for each patch; there are half as many as features.
        most: features of all patches together, if that leaves each a component.
    """
    centered = patches.double().transpose(0, 1)
    centered = centered - centered.mean(dim=1, keepdim=True)
    covariance = centered.transpose(1, 2) @ centered / max(1, centered.shape[1])
    values, directions = torch.linalg.eigh(covariance)
    kept = min(components, values.shape[1], max(1, most // (2 * len(values))))
    values, directions = values[:, -kept:].flip(1), directions[:, :, -kept:].flip(2)
    varies = values > _LEAST_VARIANCE * values.max().clamp(min=torch.finfo(torch.float64).tiny)
    scale = torch.where(varies, values.clamp(min=torch.finfo(torch.float64).tiny).rsqrt(), 0.0)
    whitened = centered @ (directions * scale[:, None, :])
    return torch.cat([whitened, _standardized(whitened.square())], dim=2).transpose(0, 1).contiguous()


def _standardized(values: Float[Tensor, "patch image feature"]) -> Float[Tensor, "patch image feature"]:
    centered = values - values.mean(dim=1, keepdim=True)
    deviation = centered.square().mean(dim=1, keepdim=True).sqrt()
    return torch.where(deviation > _LEAST_VARIANCE, centered / deviation.clamp(min=_LEAST_VARIANCE), 0.0)
