"""Which slots can influence the readout, from only the structure of a model."""

from __future__ import annotations

from jaxtyping import Bool
from torch import Tensor


def propagate_reach(read: Bool[Tensor, " slot"], sees: Bool[Tensor, "query key"], blocks: int) -> Bool[Tensor, " slot"]:
    """Follow the readout back through equal blocks.

    Args:
        read: the slots the readout reads after the last block.
        sees: which slots a block lets each slot see, itself included.
        blocks: number of repetitions of the block.

    >>> import torch
    >>> itself_and_the_one_before = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]).bool()
    >>> propagate_reach(torch.tensor([False, False, False, True]), itself_and_the_one_before, blocks=2).tolist()
    [False, True, True, True]
    """
    for _ in range(blocks):
        read = sees[read].any(dim=0)
    return read
