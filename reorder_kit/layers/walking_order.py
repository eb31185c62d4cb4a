"""The order in which a model that walks along the sequence visits its tokens."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from reorder_kit.interfaces import Order, PatchSequence

ClsPosition = Literal["start", "middle", "end"]


def walking_order(
    sequence: PatchSequence, cls_position: ClsPosition | None, walk: Int[Tensor, "row slot"] | None = None
) -> Order:
    """The order of ``[patches, CLS]`` with CLS in its place and padding after everything else.

    The place of CLS counts only valid slots: the walk follows the sequence without its padding.

    Args:
        sequence: the patches.
        cls_position: the place of CLS: before all patches, before their second half, or after all of them; None if
            there is no CLS.
        walk: the slots in the order of the visit, padding last; one row for all images, or one for each. None follows
            the sequence.

    >>> from reorder_kit.interfaces import Grid
    >>> valid = torch.tensor([[True, False, True, True]])
    >>> sequence = PatchSequence(torch.zeros(1, 4, 1), Grid(2, 2), valid=valid)
    >>> walking_order(sequence, "middle").indices.tolist()
    [[0, 4, 2, 3, 1]]
    """
    slots, device = sequence.num_slots, sequence.patches.device
    valid = torch.ones(1, slots, dtype=torch.bool, device=device) if sequence.valid is None else sequence.valid
    steps = valid.cumsum(dim=1) - 1 if walk is None else walk.argsort(dim=1)
    # Valid patches take odd places, and CLS an even one between them.
    places = torch.where(valid, 2 * steps + 1, 2 * slots + 1)
    if cls_position is not None:
        place = _place_of_cls(valid, cls_position).expand(len(places), 1)
        places = torch.cat([places, place], dim=1)
    indices = places.argsort(dim=1, stable=True)
    is_static = sequence.valid is None and len(indices) == 1
    return Order.trusted(indices[0] if is_static else indices, places.shape[1])


def _place_of_cls(valid: Bool[Tensor, "batch slot"], position: ClsPosition) -> Tensor:
    patches = valid.sum(dim=1, keepdim=True)
    before = {"start": torch.zeros_like(patches), "middle": patches // 2, "end": patches}[position]
    return 2 * before
