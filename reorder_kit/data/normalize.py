"""From 8-bit values to model inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torchvision.transforms.v2 import functional as F

_OF_8_BITS = 1.0 / 255


class Normalize:
    """Floats from 0 to 1, then ``(value - mean) / std`` per channel.

    The results equal those of torchvision's ``ToDtype`` and ``Normalize``, in a third of the time: decoders interleave
    the channels, and arithmetic per channel is slow on that layout.

    Args:
        mean: the mean of each channel, on the scale from 0 to 1.
        std: the standard deviation of each channel, on the same scale.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self._mean, self._std = (torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1) for numbers in (mean, std))

    def __call__(self, image: Shaped[Tensor, "channel height width"]) -> Float[Tensor, "channel height width"]:
        """Normalize an image of any type into a new tensor."""
        plain = image if type(image) is Tensor else image.as_subclass(Tensor)
        if plain.dtype == torch.uint8:
            floats = plain.to(torch.float32, memory_format=torch.contiguous_format).mul_(_OF_8_BITS)
        else:
            floats = F.to_dtype(plain, torch.float32, scale=True).clone(memory_format=torch.contiguous_format)
        return floats.sub_(self._mean).div_(self._std)
