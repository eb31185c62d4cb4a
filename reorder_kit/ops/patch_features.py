"""Features of patches for ridge regression."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

COMPONENTS = 16
MOST_FEATURES = 4096
"""The limit for all patches together: with more than 128 patches, each has fewer components."""
_TINY = torch.finfo(torch.float64).tiny
_LEAST_VARIANCE = 1e-9  # of a component, as a share of the largest of any patch; smaller ones are rounding


def patch_features(
    patches: Float[Tensor, "image patch pixel"], components: int = COMPONENTS, most: int = MOST_FEATURES
) -> Float[Tensor, "image patch feature"]:
    """Whitened principal components of each patch and their squares, each with mean 0 and variance 1 over images.

    Every patch has its own components. Those without variance, and squares that never vary, are 0.

    Args:
        patches: pixels, row-major.
        components: the largest number for each patch, which has twice as many features.
        most: limit on the features of all patches together, if that leaves each a component.
    """
    # Patch by patch, because all of them in float64 would take several times the memory of the images.
    covariance = torch.stack([_centered(pixels).T @ _centered(pixels) for pixels in patches.unbind(1)]) / len(patches)
    values, directions = torch.linalg.eigh(covariance)
    kept = min(components, values.shape[1], max(1, most // (2 * len(values))))
    values, directions = values[:, -kept:].flip(1), directions[:, :, -kept:].flip(2)
    varies = values > _LEAST_VARIANCE * values.max().clamp(min=_TINY)
    scaled = directions * torch.where(varies, values.clamp(min=_TINY).rsqrt(), 0.0)[:, None, :]
    features = torch.empty(len(patches), len(values), 2 * kept, dtype=torch.float64)
    for patch, pixels in enumerate(patches.unbind(1)):
        whitened = _centered(pixels) @ scaled[patch]
        features[:, patch] = torch.cat([whitened, _standardized(whitened.square())], dim=1)
    return features


def _centered(pixels: Float[Tensor, "image pixel"]) -> Float[Tensor, "image pixel"]:
    values = pixels.double()
    return values - values.mean(dim=0)


def _standardized(values: Float[Tensor, "image feature"]) -> Float[Tensor, "image feature"]:
    centered = values - values.mean(dim=0)
    deviation = centered.square().mean(dim=0).sqrt()
    return torch.where(deviation > _LEAST_VARIANCE, centered / deviation.clamp(min=_LEAST_VARIANCE), 0.0)
