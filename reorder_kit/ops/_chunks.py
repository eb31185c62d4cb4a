"""A sequence cut into chunks of one size."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional as F


def in_chunks(values: Shaped[Tensor, "batch length *rest"], largest: int) -> Shaped[Tensor, "batch chunk step *rest"]:
    """Cut a sequence into as few chunks as there can be, as even as they can be; zeros fill the last one up.

    Args:
        values: one for each step.
        largest: steps of a chunk, at most.

    >>> in_chunks(torch.tensor([[1, 2, 3, 4, 5]]), 4)
    tensor([[[1, 2, 3],
             [4, 5, 0]]])
    """
    length = values.shape[1]
    chunks = -(-length // largest)
    missing = -length % chunks
    filled = F.pad(values, (0, 0) * (values.ndim - 2) + (0, missing))
    return torch.unflatten(filled, 1, (chunks, -1))
