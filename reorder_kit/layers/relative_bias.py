"""Learned biases of attention scores: by the difference of rows and columns, or by the distance of slots."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reorder_kit.interfaces import PatchSequence
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.places import by_slot, slot_places
from reorder_kit.ops.relative_bias import FAR, RelativeBias
from reorder_kit.orders.grid import Grid


class ImageBias(nn.Module):
    """A number for each head and each difference of rows, columns and frames. CLS is far from all patches.

    Source: Swin, Liu et al., 2021 (https://arxiv.org/abs/2103.14030), section 3.2, for the whole image.

    Args:
        grid: the grid of an image or a clip.
        heads: number of attention heads.
    """

    places: Tensor

    def __init__(self, grid: Grid, heads: int) -> None:
        super().__init__()
        rows, columns = 2 * grid.height - 1, 2 * grid.width - 1
        self.table = learned_vectors(heads, (2 * grid.frames - 1) * rows * columns)
        frame, row, column = torch.meshgrid(
            torch.arange(grid.frames), torch.arange(grid.height), torch.arange(grid.width), indexing="ij"
        )
        # Rows as long as the number of column differences, so that different offsets get different numbers.
        self.register_buffer("places", ((frame * rows + row) * columns + column).flatten(), persistent=False)

    def forward(self, sequence: PatchSequence, num_before: int, num_after: int) -> RelativeBias:
        """The bias of extra tokens, slots, and extra tokens."""
        places = by_slot(self.places, sequence)
        after = FAR * torch.arange(1, num_after + 1, device=places.device)
        places = torch.cat([_far_before(places, num_before), places, after.expand(len(places), -1)], dim=1)
        return RelativeBias(self.table, self.table.shape[1] // 2, places)


class SlotBias(nn.Module):
    """A number for each head and each distance between two slots.

    Source: T5, Raffel et al., 2020 (https://arxiv.org/abs/1910.10683), section 2.1, without their buckets of distances.

    Args:
        farthest: the largest distance at which a slot sees another.
        causal: slots see no later slots, so there are no distances ahead.
        heads: number of attention heads.
    """

    def __init__(self, farthest: int, causal: bool, heads: int) -> None:
        super().__init__()
        self.zero = 0 if causal else farthest
        self.table = learned_vectors(heads, self.zero + 1 + farthest)

    def forward(self, sequence: PatchSequence, num_before: int, num_after: int) -> RelativeBias:
        """The bias of tokens that have no place, of the slots, and of tokens after the last slot."""
        places = slot_places(sequence, num_after)
        return RelativeBias(self.table, self.zero, torch.cat([_far_before(places, num_before), places], dim=1))


def _far_before(places: Tensor, tokens: int) -> Tensor:
    far = -FAR * torch.arange(1, tokens + 1, device=places.device)
    return far.expand(len(places), -1)
