"""The patches of training images, for priors."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.interfaces import NONE, DataSplits
from reorder_kit.orders.grid import Grid


class TrainingPatches:
    """Batches of row-major patches of training images, for several passes.

    Args:
        splits: opened data.
        grid: the grid of patches.
        seed: seed of the choice and of augmentation.
        images: how many to use; all if there are fewer.
    """

    def __init__(self, splits: DataSplits, grid: Grid, seed: int, images: int) -> None:
        self._data, self._grid, self._images = TrainingSplit(splits, seed, NONE), grid, images

    def __len__(self) -> int:
        """The number of images used, readable or not."""
        return min(self._images, len(self._data))

    def __iter__(self) -> Iterator[Float[Tensor, "image patch pixel"]]:
        return self._data.patches(self._grid, self._images)
