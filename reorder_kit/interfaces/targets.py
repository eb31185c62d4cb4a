"""What images are labelled with, beside the number of a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

IGNORED = 255
"""The value of a pixel in a mask that no loss and no metric looks at."""


@dataclass(frozen=True)
class BoxTarget:
    """The objects of an image, of the target kind ``boxes``.

    Args:
        boxes: left, top, right and bottom edge, pixels of the image that the model sees.
        classes: the number of each object's class.
        crowd: True for a box around many objects, which is neither learned nor counted as missed.
    """

    boxes: Float[Tensor, "box 4"]
    classes: Int[Tensor, " box"]
    crowd: Bool[Tensor, " box"]

    def __len__(self) -> int:
        return len(self.boxes)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> BoxTarget:
        """The same on another device, where copying from pinned memory need not be waited for."""
        parts = (self.boxes, self.classes, self.crowd)
        return BoxTarget(*(part.to(device, non_blocking=non_blocking) for part in parts))

    def pin_memory(self) -> BoxTarget:
        """The same in memory that a GPU can copy from while the processor goes on."""
        return BoxTarget(self.boxes.pin_memory(), self.classes.pin_memory(), self.crowd.pin_memory())

    def __reduce__(self) -> tuple[Any, ...]:
        # As bytes: a tensor on its way from a loader process holds an open file, and a batch has three for each image.
        parts = (self.boxes, self.classes, self.crowd)
        return _from_arrays, tuple(part.detach().cpu().numpy() for part in parts)


def _from_arrays(*parts: NDArray[Any]) -> BoxTarget:
    return BoxTarget(*map(torch.from_numpy, parts))


@dataclass(frozen=True)
class Annotation:
    """What is drawn on an image: its target, or what a model says of it.

    Args:
        text: stands below the image; where there is none, the names of the classes in the mask do.
        boxes: left, top, right and bottom edge, pixels.
        box_texts: what stands at each box.
        mask: the number of a class for each pixel, :data:`IGNORED` for none.
        note: stands in brackets behind the text, such as how sure the model is; not compared with the truth.
    """

    text: str = ""
    boxes: Float[Tensor, "box 4"] = field(default_factory=lambda: torch.zeros(0, 4))
    box_texts: Sequence[str] = ()
    mask: Int[Tensor, "height width"] | None = None
    note: str = ""
