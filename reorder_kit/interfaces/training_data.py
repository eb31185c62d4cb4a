"""What a task or a prior sees before training begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.batch import Batch
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape


class TrainingData(Protocol):
    """The training images and their targets: all targets by number, or batches of randomly chosen images.

    The choice is the same every time, and so is any randomness in an image. Only one batch is held at a time.
    """

    image: ImageShape
    classes: Sequence[str]

    def __len__(self) -> int:
        """Number of samples, readable or not."""
        ...

    def targets(self) -> Iterator[Any]:
        """The target of every readable sample, by number. If the source knows its targets, no image is decoded."""
        ...

    def batches(self, images: int, batch_size: int = ..., views: int = ...) -> Iterator[Batch]:
        """Images with their targets. Unreadable images are left out, and listed in their batch.

        Args:
            images: the number of images to read; all if there are fewer.
            batch_size: images per batch.
            views: further views of each image under the training transform, in ``views`` of its batch; none if not
                given.
        """
        ...

    def patches(self, grid: Grid, images: int) -> Iterator[Float[Tensor, "image patch pixel"]]:
        """The row-major patches of the same images, a batch at a time.

        Args:
            grid: the grid of patches.
            images: the number of images to read; all if there are fewer.
        """
        ...
