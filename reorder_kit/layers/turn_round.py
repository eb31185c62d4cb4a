"""Reverse a sequence."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def turn_round(
    tokens: Float[Tensor, "batch slot channels"], lengths: Int[Tensor, " batch"] | None
) -> Float[Tensor, "batch slot channels"]:
    """Reverse the valid slots and leave padding in place; applying it twice restores the sequence.

    Args:
        tokens: the tokens, with all padding after the valid slots.
        lengths: valid slots of each image; None if all are valid.

    >>> turn_round(torch.tensor([[[1.0], [2.0], [9.0]]]), torch.tensor([2])).flatten()
    tensor([2., 1., 9.])
    """
    if lengths is None:
        return tokens.flip(1)
    slots = torch.arange(tokens.shape[1], device=tokens.device)
    ends = lengths.unsqueeze(1)
    source = torch.where(slots < ends, ends - 1 - slots, slots)
    return tokens.gather(1, source.unsqueeze(-1).expand_as(tokens))
