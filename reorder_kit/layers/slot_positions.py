"""Sines and cosines of slots, and of the distance between two of them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def distance_sinusoids(
    farthest: int, nearest: int, dim: int, device: torch.device | None = None
) -> Float[Tensor, "distance dim"]:
    """A row for each distance from ``farthest`` down to ``nearest``: sines in the first half, cosines in the second.

    Wavelengths rise from 2 pi to 10,000 * 2 pi slots. In float32, because half precision cannot tell 256 from 257.

    Source: Vaswani et al., 2017, https://arxiv.org/abs/1706.03762, section 3.5, for distances instead of positions, as
    in Transformer-XL, https://arxiv.org/abs/1901.02860, where this table is R.

    Args:
        farthest: distance of the first row, slots; positive is behind.
        nearest: distance of the last row, slots; negative is ahead.
        dim: width of a row, even.

    >>> [[round(value, 2) for value in row] for row in distance_sinusoids(1, -1, dim=2).tolist()]
    [[0.84, 0.54], [0.0, 1.0], [-0.84, 0.54]]
    """
    return sinusoids(torch.arange(farthest, nearest - 1, -1, device=device, dtype=torch.float32), dim)


def sinusoids(places: Float[Tensor, " place"], dim: int) -> Float[Tensor, "place dim"]:
    """Sines of each place in the first half of a row, cosines in the second, of wavelengths up to 10,000 * 2 pi.

    Args:
        places: any numbers, in float32.
        dim: width of a row, even.
    """
    frequencies = 10_000 ** -(torch.arange(0, dim, 2, device=places.device, dtype=torch.float32) / dim)
    angles = torch.outer(places, frequencies)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
