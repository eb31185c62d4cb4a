"""Pixels by patch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.orders.patches import paste, tiles


def sum_over_pixels(
    values: Float[Tensor, "batch channel *frame height width"], grid: Grid
) -> Float[Tensor, "batch patch"]:
    """The sum over the channels and pixels of each row-major patch.

    >>> sum_over_pixels(torch.arange(8.0).reshape(1, 1, 2, 4), Grid(1, 2)).tolist()
    [[10.0, 18.0]]
    """
    by_tile = tiles(values.sum(dim=1, keepdim=True), grid)
    return by_tile.sum(dim=(4, 6)).flatten(1)


def pixels_of(patch: int, grid: Grid, height: int, width: int) -> Bool[Tensor, "*frame height width"]:
    """Which pixels of an image, or of a clip of the grid's frames, belong to a row-major patch.

    >>> pixels_of(1, Grid(2, 2), 2, 4).int().tolist()
    [[0, 0, 1, 1], [0, 0, 0, 0]]
    """
    image = ImageShape(1, height, width, grid.frames)
    chosen = torch.zeros(1, grid.num_patches, (height // grid.height) * (width // grid.width), dtype=torch.bool)
    chosen[:, patch] = True
    return paste(chosen, grid, image)[0, 0]
