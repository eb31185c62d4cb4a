"""Which slots can influence the readout, from the structure of a model alone."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor


def propagate_reach(read: Bool[Tensor, " slot"], sees: Bool[Tensor, "query key"], blocks: int) -> Bool[Tensor, " slot"]:
    """Follow the readout back through equal blocks.

    Args:
        read: the slots the readout reads after the last block.
        sees: which slots a block lets each slot see, itself included.
        blocks: how often the block is repeated.

    >>> import torch
    >>> previous = torch.eye(4, dtype=torch.bool) | torch.eye(4, dtype=torch.bool).roll(-1, dims=1)
    >>> previous[3, 0] = False
    >>> propagate_reach(torch.tensor([True, False, False, False]), previous, blocks=2).tolist()
    [True, True, True, False]
    """
    for _ in range(blocks):
        read = sees[read].any(dim=0)
    return read
