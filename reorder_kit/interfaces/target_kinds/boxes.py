"""The target kind ``boxes``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds._arrays import no_rows, shown
from reorder_kit.orders.image_shape import ImageShape


class BoxesKind(TargetKind):
    """A :class:`BoxTarget` for each image."""

    name = "boxes"
    lies_in_image = True

    def collate(self, items: Sequence[Any]) -> list[Any]:
        """A list, because images have different numbers of boxes."""
        return list(items)

    def to(self, targets: Any, device: torch.device | str) -> Any:
        """Without waiting for copies from pinned memory."""
        return [target.to(device, non_blocking=True) for target in targets]

    def presence(self, targets: Sequence[Any], classes: Sequence[str]) -> Float[Tensor, "batch class"]:
        """The classes of all boxes except those around a crowd."""
        rows = [torch.zeros(len(classes), device=target.boxes.device) for target in targets]
        for row, target in zip(rows, targets, strict=True):
            row[target.classes[~target.crowd]] = 1.0
        return torch.stack(rows) if rows else no_rows(classes)

    def misfit(self, target: Any, classes: Sequence[str], image: ImageShape) -> str | None:
        """Anything other than boxes with a class each."""
        if not isinstance(target, BoxTarget):
            return f"is {shown(target)}, not a BoxTarget"
        count = len(target.boxes)
        if tuple(target.boxes.shape) != (count, 4) or {len(target.classes), len(target.crowd)} != {count}:
            return "has different numbers of boxes, classes and crowds"
        if not bool(target.boxes.isfinite().all()):
            return "has a box with NaN or infinity"
        beyond = target.classes[(target.classes < 0) | (target.classes >= len(classes))]
        return f"has a box of class {int(beyond[0])}; there are 0 to {len(classes) - 1}" if len(beyond) else None


@dataclass(frozen=True)
class BoxTarget:
    """The objects in an image, for the target kind ``boxes``.

    Args:
        boxes: left, top, right and bottom edges, in pixels of the image that the model sees.
        classes: the number of each object's class.
        crowd: True for a box around many objects, which is neither learned nor counted as missed.
    """

    boxes: Float[Tensor, "box 4"]
    classes: Int[Tensor, " box"]
    crowd: Bool[Tensor, " box"]

    def __len__(self) -> int:
        return len(self.boxes)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> BoxTarget:
        """The same boxes on another device."""
        parts = (self.boxes, self.classes, self.crowd)
        return BoxTarget(*(part.to(device, non_blocking=non_blocking) for part in parts))

    def pin_memory(self) -> BoxTarget:
        """The same boxes in memory from which a GPU can copy asynchronously."""
        return BoxTarget(self.boxes.pin_memory(), self.classes.pin_memory(), self.crowd.pin_memory())

    def __reduce__(self) -> tuple[Any, ...]:
        # As bytes: a tensor sent from a loader process holds a file open, and a batch has three tensors per image.
        parts = (self.boxes, self.classes, self.crowd)
        return _from_arrays, tuple(part.detach().cpu().numpy() for part in parts)


def _from_arrays(*parts: NDArray[Any]) -> BoxTarget:
    return BoxTarget(*map(torch.from_numpy, parts))


BOXES = BoxesKind()
