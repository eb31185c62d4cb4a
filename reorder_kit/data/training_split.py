"""The training images and their targets, for components that look at them before training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.collation import DrawnSample, collate
from reorder_kit.interfaces import (
    Batch,
    DataSplits,
    HasTargets,
    HasViews,
    ImageShape,
    Sample,
    SampleSet,
    TargetKind,
    Unreadable,
)
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.patches import cut

IMAGES_AT_ONCE = 32


class TrainingSplit:
    """The training split: its targets, and batches of randomly chosen images.

    Sources often list images class by class, hence the random choice. The choice is the same every time, and so is
    augmentation, which is seeded with the seed and the image's index. Only one batch is in memory at a time.

    Args:
        splits: opened data.
        seed: seed of the choice and of augmentation.
        kind: the kind of the batches' targets.
    """

    def __init__(self, splits: DataSplits, seed: int, kind: TargetKind) -> None:
        self._samples: SampleSet = splits.train
        self._seed, self._kind = seed, kind
        self.image: ImageShape = splits.image
        self.classes: Sequence[str] = splits.classes

    def __len__(self) -> int:
        """The number of samples, readable or not."""
        return len(self._samples)

    def targets(self) -> Iterator[Any]:
        """The target of every readable sample, by index. If the source knows targets, no image is decoded."""
        for index in range(len(self)):
            if isinstance(self._samples, HasTargets):
                target = self._samples.target(index)
                if not isinstance(target, Unreadable):
                    yield target
            elif isinstance(sample := self._read([index])[0], Sample):
                yield sample.target

    def batches(self, images: int, batch_size: int = IMAGES_AT_ONCE, views: int = 0) -> Iterator[Batch]:
        """Images with their targets. Unreadable images are left out, and named in their batch.

        Args:
            images: how many to use; all if there are fewer.
            batch_size: images per batch.
            views: further versions of each image under the training transform.
        """
        for read, unreadable in self._readable(images, batch_size, views):
            yield replace(collate(read, self._kind, views), unreadable=tuple(unreadable))

    def patches(self, grid: Grid, images: int) -> Iterator[Float[Tensor, "image patch pixel"]]:
        """The row-major patches of the same images, batch by batch.

        Args:
            grid: the grid of patches.
            images: how many to use; all if there are fewer.
        """
        for read, _ in self._readable(images, IMAGES_AT_ONCE):
            yield cut(torch.stack([sample.versions[0].image for sample in read]), grid)

    def _readable(
        self, images: int, batch_size: int, views: int = 0
    ) -> Iterator[tuple[list[DrawnSample], list[Unreadable]]]:
        """The readable samples and the unreadable ones of each batch; batches without a readable one are skipped."""
        generator = torch.Generator().manual_seed(self._seed)
        chosen: list[int] = torch.randperm(len(self), generator=generator)[:images].tolist()
        for first in range(0, len(chosen), batch_size):
            indices = chosen[first : first + batch_size]
            versions = [self._read(indices, version) for version in range(1 + views)]
            read: list[DrawnSample] = []
            unreadable: list[Unreadable] = []
            for index, *samples in zip(indices, *versions, strict=True):
                missing = [sample for sample in samples if isinstance(sample, Unreadable)]
                if missing:
                    unreadable.append(missing[0])
                else:
                    seeds = tuple(self._seed_of(index, version) for version in range(1 + views))
                    read.append(DrawnSample(tuple(samples), seeds))
            if read:
                yield read, unreadable

    def _seed_of(self, index: int, version: int = 0) -> int:
        """The seed of a sample, below 2^63 as a batch requires. Further versions count as further samples."""
        return ((self._seed << 32) + index + version * len(self)) % 2**63

    def _read(self, indices: Sequence[int], version: int = 0) -> list[Any]:
        """The samples, with :class:`Unreadable` for those that cannot be read."""
        draw: Callable[[int], Any] = self._samples.__getitem__
        if version and isinstance(self._samples, HasViews):
            draw = self._samples.view
        samples = []
        with torch.random.fork_rng(devices=[]):
            for index in indices:
                torch.default_generator.manual_seed(self._seed_of(index, version))
                samples.append(draw(index))
        return samples
