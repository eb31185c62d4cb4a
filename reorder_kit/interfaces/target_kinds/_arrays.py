"""What several kinds of targets share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import default_collate


def stacked(items: Sequence[Any]) -> Tensor:
    """One tensor of all items; whole numbers, which samples may store as bytes, become ``long``, as losses need."""
    together: Tensor = default_collate(list(items))
    return together if together.is_floating_point() else together.long()


def is_whole(value: Any) -> bool:
    """Whether it is one whole number, from Python, NumPy or torch; True and False count as 1 and 0."""
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.is_floating_point()
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "iub"
    return isinstance(value, int | np.integer | np.bool_)


def shown(value: Any) -> str:
    """A wrong target, described in a few words."""
    if isinstance(value, Tensor):
        return f"{value.dtype} of {tuple(value.shape)}"
    return repr(value) if value is None or isinstance(value, int | float) else f"a {type(value).__name__}"


def no_rows(classes: Sequence[str]) -> Float[Tensor, "0 class"]:
    """The presence of a batch whose images were all unreadable, so that its targets have no type."""
    return torch.zeros(0, len(classes))
