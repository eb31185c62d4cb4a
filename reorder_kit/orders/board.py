"""Positions of the cells of a grid in a picture of an order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from reorder_kit.orders.grid import Grid
from reorder_kit.orders.walk import Cell

MOST_PLOTTED, LONGEST_SIDE = 128**2, 2000
"""Most patches of a figure, and along one side: drawing takes half a minute, and it is 50,000 pixels wide."""
_FRAME_GAP = 1.0
"""In cells."""

Point = tuple[float, float]


def can_be_plotted(grid: Grid) -> bool:
    """Whether a figure of the grid has a viewable size."""
    return grid.num_patches <= MOST_PLOTTED and max(grid.height, grid.width) <= LONGEST_SIDE


@dataclass(frozen=True)
class Board:
    """The positions of the cells of all frames, in cells from the top left corner. Frames are side by side.

    Args:
        grid: the grid.
        frames_across: frames in a row.
    """

    grid: Grid
    frames_across: int

    @classmethod
    def of(cls, grid: Grid) -> Self:
        """A board; if there are several frames, it is somewhat wider than high."""
        across = round(math.sqrt(1.5 * grid.frames * grid.height / grid.width))
        return cls(grid, min(grid.frames, max(1, across)))

    @property
    def width(self) -> float:
        """From the left of the first cell to the right of the last, in cells."""
        return self.frames_across * (self.grid.width + _FRAME_GAP) - _FRAME_GAP

    @property
    def height(self) -> float:
        """From the top, with room for the headings of frames, to the bottom."""
        down = math.ceil(self.grid.frames / self.frames_across)
        return down * (self.grid.height + _FRAME_GAP) - _FRAME_GAP + self._headings

    @property
    def _headings(self) -> float:
        return _FRAME_GAP if self.grid.frames > 1 else 0.0

    def corner(self, cell: Cell) -> Point:
        """The top left corner of a cell."""
        down, across = divmod(cell.frame, self.frames_across)
        x = across * (self.grid.width + _FRAME_GAP) + cell.column
        return x, down * (self.grid.height + _FRAME_GAP) + self._headings + cell.row

    def centre(self, cell: Cell) -> Point:
        """The middle of a cell."""
        x, y = self.corner(cell)
        return x + 0.5, y + 0.5
