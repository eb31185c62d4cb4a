"""The target kind ``multi-label``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds._arrays import no_rows, stacked


class MultiLabelKind(TargetKind):
    """1.0 for every class that is present and 0.0 for the others, ``Float[class]``."""

    name = "multi-label"

    def collate(self, items: Sequence[Any]) -> Tensor:
        """One row for each image."""
        return stacked(items)

    def presence(self, targets: Tensor, classes: Sequence[str]) -> Float[Tensor, "batch class"]:
        """The labels."""
        return targets.float() if len(targets) else no_rows(classes)


MULTI_LABEL = MultiLabelKind()
