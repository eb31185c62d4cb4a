"""A sequence cut into chunks of equal size."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional as F


def in_chunks(values: Shaped[Tensor, "batch length *rest"], largest: int) -> Shaped[Tensor, "batch chunk step *rest"]:
    """Cut a sequence into as few and as even chunks as possible; the last one is padded with zeros.

    Args:
        values: one for each step.
        largest: the largest number of steps in a chunk.

    >>> in_chunks(torch.tensor([[1, 2, 3, 4, 5]]), 4)
    tensor([[[1, 2, 3],
             [4, 5, 0]]])
    """
    length = values.shape[1]
    chunks = -(-length // largest)
    missing = -length % chunks
    filled = F.pad(values, (0, 0) * (values.ndim - 2) + (0, missing))
    return torch.unflatten(filled, 1, (chunks, -1))
