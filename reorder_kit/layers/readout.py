"""From a sequence to one vector: readouts that never read padding. An image without a valid slot gives zeros."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reorder_kit.interfaces import PatchSequence


def mean_slot(sequence: PatchSequence) -> Float[Tensor, "batch dim"]:
    """The mean over the valid slots."""
    if sequence.valid is None:
        return sequence.patches.mean(dim=1)
    valid = sequence.valid.unsqueeze(-1)
    total = sequence.patches.masked_fill(~valid, 0).sum(dim=1)
    return total / valid.sum(dim=1).clamp(min=1)


def mean_of_halves(sequence: PatchSequence) -> Float[Tensor, "batch dim"]:
    """The mean of two means: over the valid slots before a token in the middle of them, and over those after it.

    If the number of slots is odd, the first half is the smaller one; a single slot stands for both halves.
    """
    valid = torch.ones_like(sequence.patches[..., 0], dtype=torch.bool) if sequence.valid is None else sequence.valid
    is_first = valid.cumsum(dim=1) <= valid.sum(dim=1, keepdim=True) // 2
    halves = torch.stack([valid & is_first, valid & ~is_first], dim=1)
    counts = halves.sum(dim=2, keepdim=True)
    # Not a matrix product, which autocast would compute in half precision.
    sums = [sequence.patches.masked_fill(~half.unsqueeze(-1), 0).sum(dim=1) for half in halves.unbind(dim=1)]
    means = torch.stack(sums, dim=1) / counts.clamp(min=1)
    return means.sum(dim=1) / (counts > 0).sum(dim=1).clamp(min=1)


def last_slot(sequence: PatchSequence) -> Float[Tensor, "batch dim"]:
    """The last valid slot."""
    if sequence.valid is None:
        return sequence.patches[:, -1]
    # argmax is the first maximum: the slot that completes the count.
    return _pick(sequence.patches, sequence.valid, sequence.valid.cumsum(dim=1).argmax(dim=1))


def first_slot(sequence: PatchSequence) -> Float[Tensor, "batch dim"]:
    """The first valid slot."""
    if sequence.valid is None:
        return sequence.patches[:, 0]
    return _pick(sequence.patches, sequence.valid, sequence.valid.int().argmax(dim=1))


def _pick(
    patches: Float[Tensor, "batch slot dim"], valid: Bool[Tensor, "batch slot"], slot: Int[Tensor, " batch"]
) -> Float[Tensor, "batch dim"]:
    images = torch.arange(len(patches), device=slot.device)
    return patches[images, slot].masked_fill(~valid[images, slot].unsqueeze(-1), 0)
