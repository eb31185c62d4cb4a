"""Resize and crop images of any size to a given size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torchvision.transforms.v2.functional as F
from torch import nn

# The usual margin in evaluation on ImageNet: shorter side 256, center 224.
MARGIN = 256 / 224

# A longer strip is cut before it is enlarged, because enlarging all of it could take gigabytes.
_LONGEST = 16


class Fit(nn.Module):
    """Resize so that the image covers the size, keeping its proportions, then crop the center.

    A large enough image is first resized to 256/224 of the size, so that cropping removes a margin. No image is
    enlarged only to be cropped, and an image that already has the size is left untouched.

    Args:
        size: target height and width, in pixels; one number for a square.
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.height, self.width = (size, size) if isinstance(size, int) else size

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Fit one image of the shape (channel, height, width)."""
        height, width = image.shape[-2:]
        if (height, width) == (self.height, self.width):
            return image
        wanted = (round(self.height * MARGIN), round(self.width * MARGIN))
        if height < wanted[0] or width < wanted[1]:
            wanted = (self.height, self.width)
        image = _without_far_ends(image, wanted)
        height, width = image.shape[-2:]
        scale = max(wanted[0] / height, wanted[1] / width)
        covering = [max(wanted[0], round(height * scale)), max(wanted[1], round(width * scale))]
        resized: torch.Tensor = F.resize(image, covering, antialias=True)
        cropped: torch.Tensor = F.center_crop(resized, [self.height, self.width])
        return cropped

    def extra_repr(self) -> str:
        """The size, for messages."""
        return f"size=[{self.height}, {self.width}]"


def _without_far_ends(image: torch.Tensor, wanted: Sequence[int]) -> torch.Tensor:
    """The middle of a strip, still many times as long as the final crop."""
    height, width = image.shape[-2:]
    scale = max(wanted[0] / height, wanted[1] / width)
    kept = [_kept(side, math.ceil(_LONGEST * goal / scale)) for side, goal in zip((height, width), wanted, strict=True)]
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    return image[..., top : top + kept[0], left : left + kept[1]]


def _kept(side: int, most: int) -> int:
    """The number of pixels of a side to keep, with equally many cut at both ends so that the middle stays in place."""
    return side if side <= most else most + (side - most) % 2
