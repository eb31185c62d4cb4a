"""Heads that give every pixel scores of the classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from reorder_kit.interfaces import Features, PatchSequence
from reorder_kit.layers.feature_pyramid import SimpleFeaturePyramid

POOLED_SIDES = (1, 2, 3, 6)


class LinearMaskHead(nn.Module):
    """A linear layer over every patch, its scores interpolated between the centres of the patches.

    A patch of padding, or one that a partial order left out, takes no part in the interpolation; a pixel with none but
    such patches around it gets the same score for every class.

    Source: Strudel et al., Segmenter: Transformer for Semantic Segmentation, ICCV 2021, section 3.1,
    https://arxiv.org/abs/2105.05633.

    Args:
        dim: width of the patches.
        classes: scores for each pixel.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, classes)

    def forward(self, features: Features) -> Float[Tensor, "batch class height width"]:
        """Scores of each pixel."""
        sequence = features.patches()
        scores = _on_grid(self.linear(sequence.patches).float(), sequence)
        if sequence.valid is None:
            return _upsample(scores, features.image_size)
        valid = _on_grid(sequence.valid.unsqueeze(2).float(), sequence)
        # where() instead of a product: a patch that nobody reads may hold anything, infinity included.
        known = torch.where(valid > 0, scores, torch.zeros_like(scores))
        weight = _upsample(valid, features.image_size)
        return _upsample(known, features.image_size) / torch.where(weight > 0, weight, torch.ones_like(weight))


class UperNetHead(nn.Module):
    """A light UPerNet: pyramid pooling on the coarsest of three maps, a top-down path, and all maps fused.

    The maps come from the backbone's one map by a simple feature pyramid, whose convolutions stand for the lateral ones
    of the paper. Norms are over the channels of each place, so that no image hangs on the others. Patches of padding,
    and those that a partial order left out, are zero, as a convolution's own padding is.

    Sources: Xiao et al., Unified Perceptual Parsing for Scene Understanding, ECCV 2018, section 3.1,
    https://arxiv.org/abs/1807.10221; pyramid pooling, Zhao et al., CVPR 2017, https://arxiv.org/abs/1612.01105.

    Args:
        dim: width of the patches.
        classes: scores for each pixel.
        width: channels of the maps.
    """

    def __init__(self, dim: int, classes: int, width: int) -> None:
        super().__init__()
        self.pyramid = SimpleFeaturePyramid(dim, width, scales=(2.0, 1.0, 0.5))
        self.pooling = PyramidPooling(width)
        self.smooth = nn.ModuleList([_convolution(width, width, 3), _convolution(width, width, 3)])
        self.fuse = _convolution(3 * width, width, 3)
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, features: Features) -> Float[Tensor, "batch class height width"]:
        """Scores of each pixel."""
        sequence = features.patches()
        patches = sequence.patches
        if sequence.valid is not None:
            patches = torch.where(sequence.valid.unsqueeze(2), patches, torch.zeros_like(patches))
        fine, middle, coarse = self.pyramid(_on_grid(patches, sequence))
        coarse = self.pooling(coarse)
        middle = middle + _upsample(coarse, middle.shape[-2:])
        fine = fine + _upsample(middle, fine.shape[-2:])
        smooth_fine, smooth_middle = self.smooth
        maps = [smooth_fine(fine), smooth_middle(middle), coarse]
        fused = self.fuse(torch.cat([_upsample(level, fine.shape[-2:]) for level in maps], dim=1))
        return _upsample(self.classify(fused).float(), features.image_size)


class PyramidPooling(nn.Module):
    """A map beside its means over 1x1, 2x2, 3x3 and 6x6 parts, fused.

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


def _on_grid(
    values: Float[Tensor, "batch patch channel"], sequence: PatchSequence
) -> Float[Tensor, "batch channel row column"]:
    batch, _, channels = values.shape
    return values.transpose(1, 2).reshape(batch, channels, sequence.grid.height, sequence.grid.width)


def _upsample(
    features: Float[Tensor, "batch channel _ _"], size: tuple[int, ...]
) -> Float[Tensor, "batch channel _ _"]:
    resized: Tensor = F.interpolate(features, size=tuple(size), mode="bilinear", align_corners=False)
    return resized
