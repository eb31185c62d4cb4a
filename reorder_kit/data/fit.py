"""Bring an image of any size to a given one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torchvision.transforms.v2.functional as F
from torch import nn

# The margin that is usual in the evaluation on ImageNet: shorter side 256, centre 224.
MARGIN = 256 / 224


class Fit(nn.Module):
    """Resize so that the image covers the size, keeping its proportions, then cut out the centre.

    An image that is large enough is resized to 256/224 of the size first, so that a margin falls away. No image is
    enlarged only to be cropped, and one that has the size already is left untouched.

    Args:
        size: height and width to reach, pixels; one number for a square.
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
        scale = max(wanted[0] / height, wanted[1] / width)
        covering = [max(wanted[0], round(height * scale)), max(wanted[1], round(width * scale))]
        resized: torch.Tensor = F.resize(image, covering, antialias=True)
        cropped: torch.Tensor = F.center_crop(resized, [self.height, self.width])
        return cropped

    def extra_repr(self) -> str:
        """The size, for messages."""
        return f"size=[{self.height}, {self.width}]"
