"""A large grid as text: when blocks of patches are read."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

_DIGITS = 3  # columns per block, including the space before it
_MOST_FRAMES = 3
_MOST_PERCENT = 99


def coarse_order_as_text(order: Order, grid: Grid, columns: int, rows: int) -> str:
    """A number for each block of patches: its mean position in the sequence, from 0 to 99 percent.

    Args:
        order: any order, including partial ones.
        grid: the grid of the patches.
        columns: the maximal number of characters in a line.
        rows: the maximal number of lines of the picture, including headings of frames.
    """
    frames = min(grid.frames, _MOST_FRAMES)
    lines = max(1, rows // frames - (2 if grid.frames > 1 else 0))
    side = _side_of_blocks(grid, max(1, (columns + 1) // _DIGITS), lines)
    slots = order.rank.numpy().reshape(grid.frames, grid.height, grid.width)
    parts = []
    for frame in range(frames):
        heading = [f"frame {frame}"] if grid.frames > 1 else []
        blocks = _means(slots[frame], side) / max(1, order.num_slots - 1)
        parts.append("\n".join([*heading, *(" ".join(map(_percent, line)) for line in blocks.tolist())]))
    block = f"{min(side, grid.height)}x{min(side, grid.width)}"
    words = [
        f"The {grid} grid is too large to draw each patch here. Each number stands for a block of {block} patches: "
        "their mean position in the sequence, in percent.",
        "-- marks a block whose patches have no slot." if not order.is_full else "",
        f"{grid.frames - frames} more frames are left out." if frames < grid.frames else "",
        "--png FILE draws every patch; --json lists the whole order.",
    ]
    return "\n\n".join([*parts, " ".join(filter(None, words))])


def _side_of_blocks(grid: Grid, most_columns: int, most_rows: int) -> int:
    """The smallest side with which the picture fits, or a nearby one that divides the longer side of the grid."""
    least = max(math.ceil(grid.width / most_columns), math.ceil(grid.height / most_rows))
    longer = max(grid.height, grid.width)
    return next((side for side in range(least, 2 * least) if longer % side == 0), least)


def _means(slots: NDArray[np.int64], side: int) -> NDArray[np.float64]:
    """The mean slot in each block; NaN if none of its patches has a slot."""
    rows, columns = (range(0, length, side) for length in slots.shape)
    means = np.full((len(rows), len(columns)), np.nan)
    for row, top in enumerate(rows):
        for column, left in enumerate(columns):
            block = slots[top : top + side, left : left + side]
            if (block >= 0).any():
                means[row, column] = block[block >= 0].mean()
    return means


def _percent(share: float) -> str:
    return "--" if math.isnan(share) else f"{min(_MOST_PERCENT, round(100 * share)):2d}"
