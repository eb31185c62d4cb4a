"""Flips, without what torchvision's transforms do around them."""

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
    """Flip an image, or an image with what moves with it, by chance.

    It draws and gives the same as torchvision's transform, in a fraction of the time: most training images are flipped.

    Args:
        probability: of a flip.
        flip: what flips an image, boxes or a mask.
    """

    def __init__(self, probability: float, flip: Callable[[Any], Any]) -> None:
        self._probability, self._flip = probability, flip

    def __call__(self, pictures: Any) -> Any:
        """Flip a tensor, which is an image, or torchvision's ``tv_tensors`` by name; other things stay as they are."""
        if torch.rand(1) >= self._probability:
            return pictures
        if isinstance(pictures, Tensor):
            return self._flip(pictures)
        return {
            name: self._flip(picture) if isinstance(picture, tv_tensors.TVTensor) else picture
            for name, picture in pictures.items()
        }


def quick(transform: nn.Module) -> Callable[[Any], Any]:
    """The same transform, in its quick form where there is one."""
    flip = _FLIPS.get(type(transform))
    return transform if flip is None else Flip(float(transform.p), flip)  # type: ignore[arg-type]
