"""The places of tokens in the sequence and in the image."""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import PatchSequence


def slot_places(sequence: PatchSequence, num_after: int = 0) -> Int[Tensor, "#batch token"]:
    """The place of each slot, counting only valid ones: three valid slots come before place 3.

    Args:
        sequence: the sequence; padding gets an arbitrary place.
        num_after: number of extra tokens after the last valid slot.

    >>> from reorder_kit.interfaces import Grid
    >>> valid = torch.tensor([[True, False, True, False]])
    >>> slot_places(PatchSequence(torch.zeros(1, 4, 1), Grid(2, 2), valid=valid), num_after=1).tolist()
    [[0, 0, 1, 1, 2]]
    """
    device = sequence.patches.device
    if sequence.valid is None:
        return torch.arange(sequence.num_slots + num_after, device=device).unsqueeze(0)
    count = sequence.valid.cumsum(dim=1)
    after = count[:, -1:] + torch.arange(num_after, device=device)
    return torch.cat([(count - 1).clamp(min=0), after], dim=1)


def by_slot(table: Shaped[Tensor, "patch *rest"], sequence: PatchSequence) -> Shaped[Tensor, "#batch slot *rest"]:
    """The row of a table for the patch in each slot.

    Args:
        table: a row for each patch of the grid, row-major.
        sequence: its order gives the patch in each slot.

    Raises:
        ReorderKitError: if there are fewer slots than patches and no order gives the patches that they hold.
    """
    if sequence.order is None:
        if sequence.num_slots != len(table):
            raise ReorderKitError(
                f"{sequence.num_slots} slots hold some of {len(table)} patches, but the sequence has no order",
                "pass the sequence that Proposal(order).apply(sequence) returned",
            )
        return table.unsqueeze(0)
    if sequence.order.is_static:
        return table[sequence.order.indices].unsqueeze(0)
    return table[sequence.order.per_image(sequence.batch)]
