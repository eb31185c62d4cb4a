"""Maps at several scales, from the single map of a plain backbone or the maps of a hierarchical one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class SimpleFeaturePyramid(nn.Module):
    """The simple feature pyramid of ViTDet: every level is computed from the same map, without a top-down path.

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
        ValueError: if a scale is not a power of two or occurs twice, or if there are no scales.
    """

    def __init__(self, dim: int, out_dim: int, scales: Sequence[float] = (2.0, 1.0, 0.5)) -> None:
        super().__init__()
        self.scales = tuple(sorted(scales, reverse=True))
        check_scales(self.scales)
        self.levels = nn.ModuleList(_level(dim, out_dim, round(math.log2(scale))) for scale in self.scales)

    def forward(self, features: Float[Tensor, "batch dim height width"]) -> list[Float[Tensor, "batch out_dim _ _"]]:
        """The levels, finest first."""
        return [level(features) for level in self.levels]


class FeaturePyramid(nn.Module):
    """The feature pyramid of a backbone with levels: a coarser map is added to each finer one.

    A map of the pyramid comes from the level of its size, or from the nearest level, as in
    :class:`SimpleFeaturePyramid`. A 1x1 convolution maps it to a common width, the next coarser map is enlarged and
    added, and a 3x3 convolution follows, each convolution with a layer norm over the channels. Levels between the
    scales, and those coarser than all scales, have their own maps in this top-down path; levels finer than all scales
    are not read.

    Source: Lin et al., Feature Pyramid Networks for Object Detection, CVPR 2017, section 3,
    https://arxiv.org/abs/1612.03144; norms as in ViTDet.

    Args:
        dims: channels of the levels, finest first; each has half the side of the one before.
        out_dim: channels of every map.
        scales: side of each map, as a multiple of the side of the finest level: powers of two.

    Raises:
        ValueError: if a scale is not a power of two or occurs twice, or if there are no scales.
    """

    def __init__(self, dims: Sequence[int], out_dim: int, scales: Sequence[float] = (2.0, 1.0, 0.5)) -> None:
        super().__init__()
        self.scales = tuple(sorted(scales, reverse=True))
        check_scales(self.scales)
        asked = [-round(math.log2(scale)) for scale in self.scales]
        halvings = sorted({*asked, *range(max(0, asked[0]), len(dims))})
        self.sources = [min(max(0, halved), len(dims) - 1) for halved in halvings]
        self.given = [halvings.index(halved) for halved in asked]
        self.laterals = nn.ModuleList(
            nn.Sequential(*_lateral(dims[source], out_dim, source - halved))
            for source, halved in zip(self.sources, halvings, strict=True)
        )
        self.outputs = nn.ModuleList(nn.Sequential(*_output(out_dim)) for _ in self.scales)

    def forward(self, *levels: Float[Tensor, "batch _ _ _"]) -> list[Float[Tensor, "batch out_dim _ _"]]:
        """The maps of the scales, finest first, from the levels, finest first."""
        maps = [lateral(levels[source]) for lateral, source in zip(self.laterals, self.sources, strict=True)]
        for finer in reversed(range(len(maps) - 1)):
            coarse = nn.functional.interpolate(maps[finer + 1], size=maps[finer].shape[-2:], mode="nearest")
            maps[finer] = maps[finer] + coarse
        return [output(maps[place]) for output, place in zip(self.outputs, self.given, strict=True)]


def check_scales(scales: Sequence[float]) -> None:
    """Check that a pyramid can have these scales.

    Raises:
        ValueError: if a scale is not a power of two or occurs twice, or if there are no scales.
    """
    if not scales:
        raise ValueError("a pyramid needs at least one scale")
    for scale in scales:
        if scale <= 0 or not math.isfinite(scale) or math.log2(scale) % 1 != 0:
            raise ValueError(f"the scales of a pyramid are powers of two, such as 2, 1 and 0.5; {scale:g} is not")
    if len(set(scales)) < len(scales):
        raise ValueError("a scale of a pyramid occurs twice")


def _level(dim: int, out_dim: int, doublings: int) -> nn.Sequential:
    return nn.Sequential(*_lateral(dim, out_dim, doublings), *_output(out_dim))


def _lateral(dim: int, out_dim: int, doublings: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for doubling in range(doublings):
        narrower = max(1, dim // 2)
        layers.append(nn.ConvTranspose2d(dim, narrower, kernel_size=2, stride=2))
        if doubling < doublings - 1:
            layers += [*_channel_norm(narrower), nn.GELU()]
        dim = narrower
    layers += [nn.MaxPool2d(2, ceil_mode=True) for _ in range(-doublings)]
    return [*layers, nn.Conv2d(dim, out_dim, 1, bias=False), *_channel_norm(out_dim)]


def _output(out_dim: int) -> list[nn.Module]:
    return [nn.Conv2d(out_dim, out_dim, 3, padding=1, bias=False), *_channel_norm(out_dim)]


def _channel_norm(dim: int) -> tuple[nn.Module, ...]:
    # Imported on first use: torchvision takes seconds.
    from torchvision.ops import Permute

    return Permute([0, 2, 3, 1]), nn.LayerNorm(dim, eps=1e-6), Permute([0, 3, 1, 2])
