"""Learned positions of a released model, adapted to a grid."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid

_log = logging.getLogger(__name__)


def released_positions(
    table: Tensor, grid: Grid, path: Path
) -> tuple[Float[Tensor, "1 patch dim"], Float[Tensor, "1 1 dim"] | None]:
    """The positions of the patches, and that of a CLS in the middle of them, if the table has one.

    Positions of another grid are interpolated (bicubic) with a warning, as in both released fine-tuning codes.

    Args:
        table: ``(1, row, dim)``, of a square grid in row-major order; as read from the file, so it is not checked yet.
        grid: the grid of the patches.
        path: path of the file, for messages.

    Raises:
        ReorderKitError: if the table is not that of a square grid, is not floating-point, or has nothing to
            interpolate, or if the patches are those of a clip.
    """
    if table.ndim != 3 or len(table) != 1 or not table.is_floating_point():
        shape = "x".join(map(str, table.shape)) or "a number"
        raise ReorderKitError(f"{path}: the positions are {table.dtype} of shape {shape}", "give a released file")
    rows = table.shape[1]
    patches = rows if math.isqrt(rows) ** 2 == rows else rows - 1
    side = math.isqrt(patches)
    if side * side != patches or patches < 1:
        raise ReorderKitError(
            f"{path}: {rows} positions are not those of a square grid, with or without CLS", "give a released file"
        )
    if side == 1 and grid.num_patches > 1:
        raise ReorderKitError(
            f"{path}: the position of a single patch would be used for {grid.num_patches}", "give a released file"
        )
    if grid.frames > 1:
        raise ReorderKitError(
            f"{path}: the positions are those of images, not of clips of {grid.frames} frames",
            "load released weights for single images",
        )
    middle = patches // 2
    cls = None if patches == rows else table[:, middle : middle + 1]
    if cls is not None:
        table = table[:, [row for row in range(rows) if row != middle]]
    if (grid.height, grid.width) != (side, side):
        _log.warning("%s: the positions of a %dx%d grid are interpolated to %s", path, side, side, grid)
        by_place = table.float().transpose(1, 2).reshape(1, -1, side, side)
        by_place = F.interpolate(by_place, (grid.height, grid.width), mode="bicubic", align_corners=False)
        table = by_place.flatten(2).transpose(1, 2)
    return table, cls
