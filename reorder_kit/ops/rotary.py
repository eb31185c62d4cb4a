"""Rotation of queries and keys by their places: scores then depend on the distance of two places."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Rotation:
    """The angles by which the pairs of channels of each token are rotated.

    Args:
        sin: the sine of each angle; 0 for a token that is not rotated.
        cos: the cosine; 1 for a token that is not rotated.
    """

    sin: Float[Tensor, "#batch token pair"]
    cos: Float[Tensor, "#batch token pair"]


def rotate(vectors: Float[Tensor, "batch head token dim"], rotation: Rotation) -> Float[Tensor, "batch head token dim"]:
    """Rotate channels ``i`` and ``dim / 2 + i`` of each token, as a plane, by the token's angle ``i``.

    Source: Su et al., "RoFormer", 2021 (https://arxiv.org/abs/2104.09864), section 3.2.2. They pair adjacent channels;
    pairing the two halves is the same except for the names of channels, and faster.

    Args:
        vectors: queries or keys.
        rotation: the angles.

    >>> quarter = Rotation(sin=torch.ones(1, 1, 1), cos=torch.zeros(1, 1, 1))
    >>> rotate(torch.tensor([[[[2.0, 5.0]]]]), quarter).tolist()
    [[[[-5.0, 2.0]]]]
    """
    sin, cos = rotation.sin.unsqueeze(1), rotation.cos.unsqueeze(1)
    first, second = vectors.chunk(2, dim=-1)
    turned = torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
    # Angles are in single precision, even if queries are in half precision.
    return turned.to(vectors.dtype)
