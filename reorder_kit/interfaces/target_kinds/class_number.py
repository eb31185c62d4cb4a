"""The target kind ``class``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds._arrays import no_rows, stacked


class ClassKind(TargetKind):
    """The number of one class, an ``int``. In a batch, after images were mixed, the share of every class."""

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


CLASS = ClassKind()
