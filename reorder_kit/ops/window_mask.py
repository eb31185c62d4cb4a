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
        num_slots: length of the sequence.
        window: a slot attends to itself and to this many slots before it, and after it when not causal.
        causal: a slot sees nothing after itself.
        device: the device of the mask.

    >>> window_mask(4, 1, causal=True).int().tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    """
    return _band(torch.arange(num_slots, device=device), window, causal)


def valid_window_mask(valid: Bool[Tensor, "batch slot"], window: int, causal: bool) -> Bool[Tensor, "batch query key"]:
    """The band when some slots are padding: distances count only valid slots, as if the padding were cut out.

    Padding is seen only by itself, which keeps the softmax of its row defined.
    """
    itself = torch.eye(valid.shape[1], dtype=torch.bool, device=valid.device)
    return (_band(valid.cumsum(dim=1), window, causal) & valid.unsqueeze(1)) | itself


def _band(place: Int[Tensor, "*batch slot"], window: int, causal: bool) -> Bool[Tensor, "*batch query key"]:
    behind = place.unsqueeze(-1) - place.unsqueeze(-2)
    return (behind <= window) & (behind >= (0 if causal else -window))
