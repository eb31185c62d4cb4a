"""Pixels by patch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.grid import Grid


def sum_over_pixels(values: Float[Tensor, "batch channel height width"], grid: Grid) -> Float[Tensor, "batch patch"]:
    """The sum over the channels and pixels of each row-major patch.

    >>> sum_over_pixels(torch.arange(8.0).reshape(1, 1, 2, 4), Grid(1, 2)).tolist()
    [[10.0, 18.0]]
    """
    height, width = values.shape[-2:]
    tiles = values.sum(dim=1).reshape(len(values), grid.height, height // grid.height, grid.width, width // grid.width)
    return tiles.sum(dim=(2, 4)).flatten(1)


def pixels_of(patch: int, grid: Grid, height: int, width: int) -> Bool[Tensor, "height width"]:
    """Which pixels of an image belong to a row-major patch.

    >>> pixels_of(1, Grid(2, 2), 2, 4).int().tolist()
    [[0, 0, 1, 1], [0, 0, 0, 0]]
    """
    _, row, column = grid.cell(patch)
    rows = torch.arange(height) // (height // grid.height) == row
    columns = torch.arange(width) // (width // grid.width) == column
    return rows[:, None] & columns
