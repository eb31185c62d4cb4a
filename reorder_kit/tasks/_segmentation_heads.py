"""Heads that give every pixel a score for each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from reorder_kit.interfaces import Features, PatchSequence
from reorder_kit.layers.feature_pyramid import SimpleFeaturePyramid
from reorder_kit.tasks._level_maps import level_maps, on_grid

POOLED_SIDES = (1, 2, 3, 6)


class LinearMaskHead(nn.Module):
    """A linear layer over every patch, its scores interpolated between the centers of the patches.

    Each level of a hierarchical backbone has its own layer, after a norm if the backbone has none, and the interpolated
    scores are added up.

    Padding, and patches that a partial order left out, are excluded from the interpolation; a pixel with only such
    patches around it gets the same score for every class.

    Sources: Strudel et al., Segmenter: Transformer for Semantic Segmentation, ICCV 2021, section 3.1,
    https://arxiv.org/abs/2105.05633; adding up the scores of levels, Long et al., Fully Convolutional Networks for
    Semantic Segmentation, CVPR 2015, section 4.2, https://arxiv.org/abs/1411.4038.

    Args:
        dims: width of each level of the backbone, finest first.
        classes: scores for each pixel.
    """

    def __init__(self, dims: Sequence[int], classes: int) -> None:
        super().__init__()
        *finer, coarsest = dims
        self.finer = nn.ModuleList(nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes)) for dim in finer)
        self.linear = nn.Linear(coarsest, classes)

    def forward(self, features: Features) -> Float[Tensor, "batch class height width"]:
        """Scores of each pixel."""
        *finer, coarsest = features.pyramid()
        scores = _interpolated(self.linear(coarsest.patches), coarsest, features.image_size)
        for layer, level in zip(self.finer, finer, strict=True):
            scores = scores + _interpolated(layer(level.patches), level, features.image_size)
        return scores


class UperNetHead(nn.Module):
    """A light UPerNet: pyramid pooling on the coarsest of several maps, a top-down path, and all maps fused.

    The maps are the levels of a hierarchical backbone, each through a 1x1 convolution. A plain backbone has one map,
    from which a simple feature pyramid makes three; its convolutions replace the paper's lateral ones. Norms are over
    the channels of each place, so that no image depends on the others. Patches of padding, and those that a partial
    order left out, are zero, like a convolution's own padding.

    Sources: Xiao et al., Unified Perceptual Parsing for Scene Understanding, ECCV 2018, section 3.1,
    https://arxiv.org/abs/1807.10221; pyramid pooling, Zhao et al., CVPR 2017, https://arxiv.org/abs/1612.01105.

    Args:
        dims: width of each level of the backbone, finest first.
        classes: scores for each pixel.
        width: channels of the maps.
    """

    def __init__(self, dims: Sequence[int], classes: int, width: int) -> None:
        super().__init__()
        self.pyramid: nn.Module
        if len(dims) == 1:
            self.pyramid, maps = SimpleFeaturePyramid(dims[0], width, scales=(2.0, 1.0, 0.5)), 3
        else:
            self.pyramid, maps = _Laterals(dims, width), len(dims)
        self.pooling = PyramidPooling(width)
        self.smooth = nn.ModuleList(_convolution(width, width, 3) for _ in range(maps - 1))
        self.fuse = _convolution(maps * width, width, 3)
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, features: Features) -> Float[Tensor, "batch class height width"]:
        """Scores of each pixel."""
        *maps, coarsest = self.pyramid(*level_maps(features))
        coarsest = self.pooling(coarsest)
        above = coarsest
        for place in reversed(range(len(maps))):
            above = maps[place] = maps[place] + _upsample(above, maps[place].shape[-2:])
        smoothed = [smooth(each) for smooth, each in zip(self.smooth, maps, strict=True)]
        size = maps[0].shape[-2:]
        fused = self.fuse(torch.cat([_upsample(each, size) for each in (*smoothed, coarsest)], dim=1))
        return _upsample(self.classify(fused).float(), features.image_size)


class _Laterals(nn.Module):
    """A 1x1 convolution for each level.

    Args:
        dims: channels of the levels.
        width: channels of the result.
    """

    def __init__(self, dims: Sequence[int], width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_convolution(dim, width, 1) for dim in dims)

    def forward(self, *levels: Float[Tensor, "batch _ _ _"]) -> list[Float[Tensor, "batch width _ _"]]:
        """The levels with a common number of channels."""
        return [convolution(level) for convolution, level in zip(self.convolutions, levels, strict=True)]


class PyramidPooling(nn.Module):
    """A map fused with its means over 1x1, 2x2, 3x3 and 6x6 parts.

    Args:
        width: channels of the map.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = max(1, width // len(POOLED_SIDES))
        self.parts = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), _convolution(width, narrow, 1)) for side in POOLED_SIDES
        )
        self.fuse = _convolution(width + narrow * len(POOLED_SIDES), width, 3)

    def forward(self, features: Float[Tensor, "batch width _ _"]) -> Float[Tensor, "batch width _ _"]:
        """A map of the same size."""
        pooled = [_upsample(part(features), features.shape[-2:]) for part in self.parts]
        fused: Tensor = self.fuse(torch.cat([features, *pooled], dim=1))
        return fused


def _convolution(dim: int, out_dim: int, side: int) -> nn.Sequential:
    layers = nn.Conv2d(dim, out_dim, side, padding=side // 2, bias=False), LayerNorm2d(out_dim), nn.ReLU()
    return nn.Sequential(*layers)


def _interpolated(
    scores: Float[Tensor, "batch patch class"], sequence: PatchSequence, size: tuple[int, int]
) -> Float[Tensor, "batch class height width"]:
    """Scores of patches, interpolated between their centers; only those of valid patches, if some are not valid."""
    on_patches = on_grid(scores.float(), sequence)
    if sequence.valid is None:
        return _upsample(on_patches, size)
    valid = on_grid(sequence.valid.unsqueeze(2).float(), sequence)
    # where() instead of a product: a patch that is not read may hold anything, including infinity.
    known = torch.where(valid > 0, on_patches, torch.zeros_like(on_patches))
    weight = _upsample(valid, size)
    return _upsample(known, size) / torch.where(weight > 0, weight, torch.ones_like(weight))


def _upsample(
    features: Float[Tensor, "batch channel _ _"], size: tuple[int, ...]
) -> Float[Tensor, "batch channel _ _"]:
    resized: Tensor = F.interpolate(features, size=tuple(size), mode="bilinear", align_corners=False)
    return resized
