"""The target kind ``mask``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import default_collate

from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds._arrays import no_rows, shown
from reorder_kit.orders.image_shape import ImageShape

IGNORED = 255
"""The value of mask pixels that losses and metrics ignore."""


class MaskKind(TargetKind):
    """The class number of each pixel, or :data:`IGNORED`: ``Integer[height width]``.

    A batch has the type of its samples. A byte is enough, and loader processes transfer less; a loss or metric that
    computes with the numbers converts them to a wider type first.
    """

    name = "mask"
    lies_in_image = True

    def collate(self, items: Sequence[Any]) -> Tensor:
        """One mask for each image."""
        together: Tensor = default_collate(list(items))
        return together

    def presence(self, targets: Tensor, classes: Sequence[str]) -> Float[Tensor, "batch class"]:
        """The classes of at least one pixel."""
        if not len(targets):
            return no_rows(classes)
        pixels = targets.flatten(1).long()
        # Ignored pixels are counted in an extra column, which is dropped.
        columns = pixels.where(pixels != IGNORED, len(classes))
        found = torch.zeros(len(targets), len(classes) + 1, device=targets.device)
        return found.scatter_(1, columns, 1.0)[:, : len(classes)]

    def misfit(self, target: Any, classes: Sequence[str], image: ImageShape) -> str | None:
        """A mask whose size differs from the image's, or a pixel with an unknown class."""
        size = (image.height, image.width)
        if not isinstance(target, Tensor) or target.is_floating_point() or tuple(target.shape) != size:
            return f"is {shown(target)}, not whole numbers of the shape {size}"
        beyond = target[(target != IGNORED) & ((target < 0) | (target >= len(classes)))]
        return f"has a pixel of class {int(beyond[0])}; there are 0 to {len(classes) - 1}" if len(beyond) else None


MASK = MaskKind()
