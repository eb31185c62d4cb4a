"""Absolute 2-D positions that belong to patches: added before any reordering, they move with the patch."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.orders.grid import Grid

Positions = Literal["learned", "sincos", "none"]
PatchPositions = Literal["none", "learned", "sincos", "rope", "relative"]
"""Also those that act in attention, by the places of two patches, and are not added."""


def added_positions(kind: PatchPositions) -> Positions:
    """The positions that are added to patches: none if positions act in attention."""
    return "none" if kind == "rope" or kind == "relative" else kind


def check_positions(kind: PatchPositions, grid: Grid, dim: int) -> None:
    """Check that patches of a grid can have these positions.

    Raises:
        ReorderKitError: if the width does not suit sines and cosines, or rope or sincos would have to tell frames
            apart.
    """
    if kind == "rope" and grid.frames > 1:
        raise ReorderKitError(
            f"rope rotates by rows and columns, not by the {grid.frames} frames of a clip",
            "use positions: learned or relative",
        )
    if kind == "sincos" and grid.frames > 1:
        raise ReorderKitError(
            f"sincos positions distinguish rows and columns, not the {grid.frames} frames of a clip",
            "use positions: learned",
        )
    if kind == "sincos" and dim % 4:
        raise ReorderKitError(
            f"sincos positions need a width that is a multiple of 4, not {dim}", "set dim, or positions: learned"
        )


def sincos_positions(grid: Grid, dim: int) -> Float[Tensor, "1 patch dim"]:
    """Fixed sines and cosines of row and column, half of the width each (Chen et al., 2021, arXiv 2104.02057).

    Raises:
        ReorderKitError: if the width is not a multiple of 4, or the grid has frames.
    """
    # Imported on first use: timm takes seconds.
    from timm.layers import build_sincos2d_pos_embed

    check_positions("sincos", grid, dim)
    table: Float[Tensor, "patch dim"] = build_sincos2d_pos_embed([grid.height, grid.width], dim=dim)
    return table.unsqueeze(0)


class AbsolutePositions(nn.Module):
    """Add to each patch of a row-major sequence the embedding of its place in the image.

    Args:
        kind: ``learned`` (a free vector for each patch, standard deviation 0.02 at the start), ``sincos`` or ``none``.
        grid: the grid of an image or a clip.
        dim: width of the embedding.
    """

    def __init__(self, kind: Positions, grid: Grid, dim: int) -> None:
        super().__init__()
        self.table: Tensor | None
        if kind == "learned":
            self.table = learned_vectors(1, grid.num_patches, dim)
        else:
            table = sincos_positions(grid, dim) if kind == "sincos" else None
            self.register_buffer("table", table, persistent=False)

    def forward(self, patches: Float[Tensor, "batch patch dim"]) -> Float[Tensor, "batch patch dim"]:
        """Patches with their positions."""
        return patches if self.table is None else patches + self.table
