"""From a sequence to one vector: readouts that never read padding. An image without a valid slot gives zeros."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import PatchSequence


def mean_slot(sequence: PatchSequence) -> Float[Tensor, "batch dim"]:
    """The mean over the valid slots."""
    if sequence.valid is None:
        return sequence.patches.mean(dim=1)
    valid = sequence.valid.unsqueeze(-1)
    total = sequence.patches.masked_fill(~valid, 0).sum(dim=1)
    return total / valid.sum(dim=1).clamp(min=1)


def last_slot(sequence: PatchSequence) -> Float[Tensor, "batch dim"]:
    """The last valid slot."""
    if sequence.valid is None:
        return sequence.patches[:, -1]
    slots = torch.arange(sequence.num_slots, device=sequence.valid.device)
    last = torch.where(sequence.valid, slots, -1).amax(dim=1)
    images = torch.arange(sequence.batch, device=last.device)
    return sequence.patches[images, last.clamp(min=0)].masked_fill((last < 0).unsqueeze(-1), 0)
