"""The levels of a hierarchical backbone: their grids, and how four patches become a cell."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Order, PatchSequence
from reorder_kit.orders.grid import Grid


def level_grids(finest: Grid, levels: int) -> list[Grid]:
    """The grid of each level, finest first: each has half the rows and half the columns of the one before.

    Args:
        finest: the patches.
        levels: number of grids.

    Raises:
        ReorderKitError: if a side cannot be halved that many times.

    >>> [str(grid) for grid in level_grids(Grid(4, 8), 3)]
    ['4x8', '2x4', '1x2']
    """
    divisor = 2 ** (levels - 1)
    if finest.height % divisor or finest.width % divisor:
        raise ReorderKitError(
            f"a {finest} grid cannot have {levels} levels: each level halves the sides",
            f"choose patches so that the sides of the grid are multiples of {divisor}, or use fewer levels",
        )
    return [Grid(finest.height >> level, finest.width >> level, finest.frames) for level in range(levels)]


def full_order(sequence: PatchSequence) -> Order:
    """The order of a sequence, which must hold every patch.

    Raises:
        ReorderKitError: if patches are left out.
    """
    patches = sequence.grid.num_patches
    if sequence.num_slots != patches:
        raise ReorderKitError(
            f"a hierarchical backbone merges squares of patches, but a sequence has {sequence.num_slots} of the "
            f"{patches} patches of a {sequence.grid} grid",
            "use a full order",
        )
    if sequence.order is None:
        return Order.trusted(torch.arange(patches, device=sequence.patches.device), patches)
    return sequence.order


def row_major(sequence: PatchSequence, order: Order) -> PatchSequence:
    """Move a sequence back to row-major places, with padding still marked.

    Args:
        sequence: the patches in the slots of the order.
        order: a full order.
    """
    valid = None if sequence.valid is None else order.restore(sequence.valid)
    return PatchSequence(order.restore(sequence.patches), sequence.grid, valid=valid)


def in_slots(places: PatchSequence, order: Order) -> PatchSequence:
    """Put row-major places into the slots of a full order, which the sequence then holds."""
    valid = None if places.valid is None else order.apply(places.valid)
    return PatchSequence(order.apply(places.patches), places.grid, order, valid)


def without_padding(places: PatchSequence) -> Float[Tensor, "batch patch dim"]:
    """The patches, with zeros for padding, as beyond the edge of an image."""
    if places.valid is None:
        return places.patches
    # Filled instead of multiplied: an unread patch may hold anything, including infinity.
    return places.patches.masked_fill(~places.valid.unsqueeze(-1), 0)


def merged_places(places: PatchSequence, cells: Float[Tensor, "batch cell out_dim"], grid: Grid) -> PatchSequence:
    """The row-major cells of the next level, in the dtype of the patches; a cell is valid if any of its patches is.

    Args:
        places: the patches, row-major.
        cells: one for each square of 2x2 patches, row-major.
        grid: the grid of the cells.
    """
    valid = places.valid
    if valid is not None:
        valid = valid.reshape(-1, grid.frames, grid.height, 2, grid.width, 2).any(dim=5).any(dim=3).flatten(1)
    # Under autocast, merging computes in bfloat16, but the residual stream of the patches stays in float32.
    return PatchSequence(cells.to(places.patches.dtype), grid, valid=valid)


class PatchMerging(nn.Module):
    """One embedding for each square of 2x2 patches: all four, normalized, through one linear map.

    Padding enters as zeros. Source: Liu et al., Swin Transformer, ICCV 2021, section 3.1,
    https://arxiv.org/abs/2103.14030; norm and missing bias are those of the released definition.

    Args:
        dim: width of a patch.
        out_dim: width of a cell.
    """

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, out_dim, bias=False)

    def forward(self, places: PatchSequence, grid: Grid) -> PatchSequence:
        """Merge row-major patches into the row-major cells of ``grid``."""
        squares = without_padding(places).reshape(places.batch, grid.frames, grid.height, 2, grid.width, 2, -1)
        cells = squares.transpose(3, 4).flatten(4).flatten(1, 3)
        return merged_places(places, self.reduction(self.norm(cells)), grid)
