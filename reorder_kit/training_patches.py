"""The patches of training images, as priors look at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.grid import Grid
from reorder_kit.interfaces import DataSplits, Sample
from reorder_kit.patches import cut

IMAGES_AT_ONCE = 32


class TrainingPatches:
    """Batches of row-major patches of training images, chosen at random, since many sources list them class by class.

    They can be gone through several times and are the same each time: an image's augmentation is seeded with the seed
    and its number. Only one batch is held at a time. Images that cannot be read are left out.

    Args:
        splits: opened data.
        grid: the grid of patches.
        seed: of the choice, and of what is random in the images.
        images: how many to look at; all if there are fewer.
    """

    def __init__(self, splits: DataSplits, grid: Grid, seed: int, images: int) -> None:
        self._samples, self._grid, self._seed = splits.train, grid, seed
        generator = torch.Generator().manual_seed(seed)
        self._chosen: list[int] = torch.randperm(len(splits.train), generator=generator)[:images].tolist()

    def __len__(self) -> int:
        """Images that are looked at, readable or not."""
        return len(self._chosen)

    def __iter__(self) -> Iterator[Float[Tensor, "image patch pixel"]]:
        for first in range(0, len(self._chosen), IMAGES_AT_ONCE):
            read = self._read(self._chosen[first : first + IMAGES_AT_ONCE])
            if read:
                yield cut(torch.stack(read), self._grid)

    def _read(self, indices: Sequence[int]) -> list[Tensor]:
        images = []
        with torch.random.fork_rng(devices=[]):
            for index in indices:
                torch.default_generator.manual_seed((self._seed << 32) + index)
                sample = self._samples[index]
                if isinstance(sample, Sample):
                    images.append(sample.image)
        return images
