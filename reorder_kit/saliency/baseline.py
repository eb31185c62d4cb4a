"""An image that says nothing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.grid import Grid
from reorder_kit.interfaces import DataSplits
from reorder_kit.training_patches import TrainingPatches

BASELINE_IMAGES = 512


def mean_training_image(splits: DataSplits, grid: Grid, seed: int) -> Float[Tensor, "channel height width"]:
    """The mean of some training images, pixel by pixel.

    Args:
        splits: opened data.
        grid: the grid of patches.
        seed: of the choice of images.

    Raises:
        ReorderKitError: if none can be read.
    """
    image, total, count = splits.image, torch.zeros(()), 0
    for patches in TrainingPatches(splits, grid, seed, BASELINE_IMAGES):
        total, count = total + patches.double().sum(dim=0), count + len(patches)
    if not count:
        raise ReorderKitError("the baseline is the mean training image, but no training image could be read")
    height, width = image.height // grid.height, image.width // grid.width
    tiles = (total / count).float().reshape(grid.height, grid.width, image.channels, height, width)
    mean: Tensor = tiles.permute(2, 0, 3, 1, 4).reshape(image.channels, image.height, image.width)
    return mean
