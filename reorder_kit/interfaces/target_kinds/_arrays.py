"""What several kinds of targets share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import default_collate


def stacked(items: Sequence[Any]) -> Tensor:
    """Together; whole numbers, of which a sample may have a byte each, as losses want them."""
    together: Tensor = default_collate(list(items))
    return together if together.is_floating_point() else together.long()


def no_rows(classes: Sequence[str]) -> Float[Tensor, "0 class"]:
    """The presence of a batch of which nothing could be read, whose targets are of no type."""
    return torch.zeros(0, len(classes))
