"""An image without information."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.patches import paste

BASELINE_IMAGES = 512


def mean_training_image(splits: DataSplits, grid: Grid, seed: int) -> Float[Tensor, "channel *frame height width"]:
    """The mean of some training images, pixel by pixel.

    Args:
        splits: opened data.
        grid: the grid of patches.
        seed: seed of the choice of images.

    Raises:
        ReorderKitError: if no image can be read.
    """
    total, count = torch.zeros(()), 0
    for patches in TrainingPatches(splits, grid, seed, BASELINE_IMAGES):
        total, count = total + patches.double().sum(dim=0), count + len(patches)
    if not count:
        raise ReorderKitError("the baseline is the mean training image, but no training image could be read")
    mean: Tensor = (total / count).float()
    return paste(mean[None], grid, splits.image)[0]
