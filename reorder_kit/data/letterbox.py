"""Scale and pad images of any proportions to a given size, without cropping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torchvision.transforms.v2.functional as F
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode


def content_size(height: int, width: int, size: Sequence[int]) -> tuple[int, int]:
    """Height and width, in pixels, of an image scaled to fit inside a size with its proportions kept."""
    scale = min(size[0] / height, size[1] / width)
    return min(size[0], max(1, round(height * scale))), min(size[1], max(1, round(width * scale)))


def letterbox(picture: Any, size: Sequence[int], fill: float = 0) -> Any:
    """Scale to fit inside a size, and pad on the right and at the bottom.

    Args:
        picture: an image, boxes or a mask, as torchvision's ``tv_tensors``, whose type determines the scaling.
        size: target height and width, in pixels.
        fill: the value of the padding.
    """
    original_height, original_width = F.get_size(picture)
    height, width = content_size(original_height, original_width, size)
    # Plain "nearest" takes the upper left of several pixels, which shifts a mask relative to its image.
    is_mask = isinstance(picture, tv_tensors.Mask)
    interpolation = InterpolationMode.NEAREST_EXACT if is_mask else InterpolationMode.BILINEAR
    scaled = F.resize(picture, [height, width], interpolation=interpolation, antialias=True)
    if (height, width) == tuple(size):
        return scaled
    return F.pad(scaled, [0, 0, size[1] - width, size[0] - height], fill=fill)
