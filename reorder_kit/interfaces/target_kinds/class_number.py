"""The target kind ``class``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds._arrays import is_whole, no_rows, shown, stacked
from reorder_kit.orders.image_shape import ImageShape


class ClassKind(TargetKind):
    """The number of one class, an ``int``. In a batch of mixed images, the share of every class."""

    name = "class"

    def collate(self, items: Sequence[Any]) -> Tensor:
        """One number for each image."""
        return stacked(items)

    def presence(self, targets: Tensor, classes: Sequence[str]) -> Float[Tensor, "batch class"]:
        """One class for each image; after mixing, all that have a share."""
        if not len(targets):
            return no_rows(classes)
        if targets.ndim == 2:
            return (targets > 0).float()
        return torch.nn.functional.one_hot(targets.long(), len(classes)).float()

    def misfit(self, target: Any, classes: Sequence[str], image: ImageShape) -> str | None:
        """A number that no class has."""
        if not is_whole(target):
            return f"is {shown(target)}, not the number of a class"
        number = int(target)
        return None if 0 <= number < len(classes) else f"is class {number}; there are 0 to {len(classes) - 1}"


CLASS = ClassKind()
