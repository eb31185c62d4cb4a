"""Flips without the overhead of torchvision's transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

_FLIPS: dict[type[nn.Module], Callable[[Any], Any]] = {
    v2.RandomHorizontalFlip: F.horizontal_flip,
    v2.RandomVerticalFlip: F.vertical_flip,
}


class Flip:
    """Randomly flip an image, along with the boxes or mask that move with it.

    Its random draws and results are those of torchvision's transform, in a fraction of the time, which matters because
    most recipes flip training images.

    Args:
        probability: the probability of a flip.
        flip: flips an image, boxes or a mask.
    """

    def __init__(self, probability: float, flip: Callable[[Any], Any]) -> None:
        self._probability, self._flip = probability, flip

    def __call__(self, pictures: Any) -> Any:
        """Flip an image tensor, or torchvision's ``tv_tensors`` by name; other values are left unchanged."""
        if torch.rand(1) >= self._probability:
            return pictures
        if isinstance(pictures, Tensor):
            return self._flip(pictures)
        return {
            name: self._flip(picture) if isinstance(picture, tv_tensors.TVTensor) else picture
            for name, picture in pictures.items()
        }


def quick(transform: nn.Module) -> Callable[[Any], Any]:
    """The same transform, in its fast form if there is one."""
    flip = _FLIPS.get(type(transform))
    return transform if flip is None else Flip(float(transform.p), flip)  # type: ignore[arg-type]
