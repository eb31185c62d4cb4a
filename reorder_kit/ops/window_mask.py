"""Which slots a slot attends to when attention is local along the sequence."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def window_mask(
    num_slots: int, window: int, causal: bool, device: torch.device | None = None
) -> Bool[Tensor, "query key"]:
    """The band around the diagonal.

    Args:
        num_slots: places in the sequence.
        window: a slot attends to itself and to this many slots before it, and after it when not causal.
        causal: nothing after the slot is seen.
        device: where to make the mask.

    >>> window_mask(4, 1, causal=True).int().tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    """
    return _band(torch.arange(num_slots, device=device), window, causal)


def valid_window_mask(valid: Bool[Tensor, "batch slot"], window: int, causal: bool) -> Bool[Tensor, "batch query key"]:
    """The band when some slots are padding: distances count valid slots only, as if the padding were cut out.

    Padding is seen by nobody but itself. That one exception keeps the softmax of a row defined.
    """
    itself = torch.eye(valid.shape[1], dtype=torch.bool, device=valid.device)
    return (_band(valid.cumsum(dim=1), window, causal) & valid.unsqueeze(1)) | itself


def _band(place: Int[Tensor, "*batch slot"], window: int, causal: bool) -> Bool[Tensor, "*batch query key"]:
    behind = place.unsqueeze(-1) - place.unsqueeze(-2)
    return (behind <= window) & (behind >= (0 if causal else -window))
