"""The target kind ``multi-label``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds._arrays import no_rows, shown, stacked
from reorder_kit.orders.image_shape import ImageShape


class MultiLabelKind(TargetKind):
    """1.0 for every class that is present and 0.0 for the others, ``Float[class]``."""

    name = "multi-label"

    def collate(self, items: Sequence[Any]) -> Tensor:
        """One row for each image."""
        return stacked(items)

    def presence(self, targets: Tensor, classes: Sequence[str]) -> Float[Tensor, "batch class"]:
        """The labels."""
        return targets.float() if len(targets) else no_rows(classes)

    def misfit(self, target: Any, classes: Sequence[str], image: ImageShape) -> str | None:
        """Anything other than one label per class, each 0 or 1."""
        if not isinstance(target, Tensor) or tuple(target.shape) != (len(classes),):
            return f"is {shown(target)}, not a label for each of {len(classes)} classes"
        return None if bool(((target == 0) | (target == 1)).all()) else "holds a label that is neither 0 nor 1"


MULTI_LABEL = MultiLabelKind()
