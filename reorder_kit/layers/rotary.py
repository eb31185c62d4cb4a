"""Rotary positions: by row and column of a patch, or by slot."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from reorder_kit.interfaces import PatchSequence
from reorder_kit.layers.places import by_slot, slot_places
from reorder_kit.ops.rotary import Rotation
from reorder_kit.orders.grid import Grid


class ImageRotation(nn.Module):
    """Rotates half of a head's pairs by the row of the patch, and half by its column. CLS is not rotated.

    Source: Heo et al., "Rotary Position Embedding for Vision Transformer", 2024 (https://arxiv.org/abs/2403.13298),
    section 3.2, axial frequencies, with their base of 100.

    Args:
        grid: the grid of an image.
        head_dim: width of a head, a multiple of 4.
    """

    turns: Tensor

    def __init__(self, grid: Grid, head_dim: int) -> None:
        super().__init__()
        row = torch.arange(grid.height).repeat_interleave(grid.width)
        column = torch.arange(grid.width).repeat(grid.height)
        angles = torch.cat([_angles(place, head_dim // 4, base=100.0) for place in (row, column)], dim=1)
        self.register_buffer("turns", torch.stack([angles.sin(), angles.cos()], dim=1).float(), persistent=False)

    def forward(self, sequence: PatchSequence, num_before: int, num_after: int) -> Rotation:
        """The angles of the slots, and zeros for the tokens before and after them."""
        sin, cos = by_slot(self.turns, sequence).unbind(dim=2)
        beside = (0, 0, num_before, num_after)
        return Rotation(pad(sin, beside), pad(cos, beside, value=1.0))


class SlotRotation(nn.Module):
    """Rotates all pairs of a head by the slot.

    Source: Su et al., "RoFormer", 2021 (https://arxiv.org/abs/2104.09864), section 3.2, with their base of 10,000.

    Args:
        slots: the largest number of slots, including extra tokens after them.
        head_dim: width of a head, even.
    """

    turns: Tensor

    def __init__(self, slots: int, head_dim: int) -> None:
        super().__init__()
        angles = _angles(torch.arange(slots), head_dim // 2, base=10_000.0)
        self.register_buffer("turns", torch.stack([angles.sin(), angles.cos()], dim=1).float(), persistent=False)

    def forward(self, sequence: PatchSequence, num_before: int, num_after: int) -> Rotation:
        """The angles of the slots and of tokens after the last slot, and zeros for the tokens before."""
        sin, cos = self.turns[slot_places(sequence, num_after)].unbind(dim=2)
        before = (0, 0, num_before, 0)
        return Rotation(pad(sin, before), pad(cos, before, value=1.0))


def _angles(place: Tensor, pairs: int, base: float) -> Float[Tensor, "place pair"]:
    """Frequencies fall from 1 to nearly ``1 / base``. In double precision, for accurate sines of many slots."""
    return torch.outer(place.double(), base ** -(torch.arange(pairs).double() / pairs))
