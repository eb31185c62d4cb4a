"""Maps at several scales from the one map of a plain backbone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class SimpleFeaturePyramid(nn.Module):
    """The simple feature pyramid of ViTDet: every level is made from the same map, and there is no top-down path.

    A finer level comes from transposed convolutions, a coarser one from maximum pooling; the last row and column of a
    map with an odd side are pooled alone, so that no patch is lost. Then, for each level, a 1x1 and a 3x3 convolution,
    each with a layer norm over the channels.

    Source: Li et al., Exploring Plain Vision Transformer Backbones for Object Detection, ECCV 2022, section 3,
    https://arxiv.org/abs/2203.16527.

    Args:
        dim: channels of the map.
        out_dim: channels of every level.
        scales: side of each level's map, as a multiple of the side of the given map: powers of two.

    Raises:
        ValueError: if a scale is not a power of two, or comes twice, or there is none.
    """

    def __init__(self, dim: int, out_dim: int, scales: Sequence[float] = (2.0, 1.0, 0.5)) -> None:
        super().__init__()
        self.scales = tuple(sorted(scales, reverse=True))
        check_scales(self.scales)
        self.levels = nn.ModuleList(_level(dim, out_dim, round(math.log2(scale))) for scale in self.scales)

    def forward(self, features: Float[Tensor, "batch dim height width"]) -> list[Float[Tensor, "batch out_dim _ _"]]:
        """The levels, finest first."""
        return [level(features) for level in self.levels]


def check_scales(scales: Sequence[float]) -> None:
    """Check that a pyramid can have these scales.

    Raises:
        ValueError: if a scale is not a power of two, or comes twice, or there is none.
    """
    if not scales:
        raise ValueError("a pyramid has at least one scale")
    for scale in scales:
        if scale <= 0 or not math.isfinite(scale) or math.log2(scale) % 1 != 0:
            raise ValueError(f"the scales of a pyramid are powers of two, such as 2, 1 and 0.5; {scale:g} is not")
    if len(set(scales)) < len(scales):
        raise ValueError("a scale of a pyramid comes twice")


def _level(dim: int, out_dim: int, doublings: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for doubling in range(doublings):
        narrower = max(1, dim // 2)
        layers.append(nn.ConvTranspose2d(dim, narrower, kernel_size=2, stride=2))
        if doubling < doublings - 1:
            layers += [*_channel_norm(narrower), nn.GELU()]
        dim = narrower
    layers += [nn.MaxPool2d(2, ceil_mode=True) for _ in range(-doublings)]
    layers += [nn.Conv2d(dim, out_dim, 1, bias=False), *_channel_norm(out_dim)]
    layers += [nn.Conv2d(out_dim, out_dim, 3, padding=1, bias=False), *_channel_norm(out_dim)]
    return nn.Sequential(*layers)


def _channel_norm(dim: int) -> tuple[nn.Module, ...]:
    # Imported on first use: torchvision takes seconds.
    from torchvision.ops import Permute

    return Permute([0, 2, 3, 1]), nn.LayerNorm(dim, eps=1e-6), Permute([0, 3, 1, 2])
