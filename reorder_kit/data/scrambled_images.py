"""Images with patches scrambled by a hidden order, so that the order that undoes it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from reorder_kit.data.wrapped_samples import WrappedSamples
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, ImageShape, Sample, SampleSet
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.patches import cut, paste


def scramble(splits: DataSplits, grid: Grid, hidden: Order) -> DataSplits:
    """The same data, but patch ``k`` of every image is patch ``hidden[k]`` of the true image.

    The order ``hidden.inverse()`` therefore puts patches back in their true row-major sequence, and an order of
    scrambled patches is the order ``hidden.compose(order)`` of true ones. A model only ever sees scrambled positions.
    Targets are unchanged.

    Args:
        splits: the true images.
        grid: how they are cut into patches.
        hidden: a full order of the grid, the same for all images.

    Raises:
        ReorderKitError: if the patches do not fill the image exactly.
    """
    pixels = _scrambled_pixels(splits.image, grid, hidden)
    return replace(
        splits,
        train=ScrambledImages(splits.train, pixels),
        validation=ScrambledImages(splits.validation, pixels),
        test=ScrambledImages(splits.test, pixels),
    )


class ScrambledImages(WrappedSamples):
    """Samples whose images have their pixels moved; unreadable samples stay unreadable.

    Args:
        samples: the true images, after any augmentation.
        pixels: the true row-major pixel for each place, over all frames of a clip.
    """

    def __init__(self, samples: SampleSet, pixels: Int[Tensor, " pixel"]) -> None:
        super().__init__(samples)
        self._pixels = pixels

    def changed(self, sample: Sample, index: int) -> Sample:
        """The sample, scrambled."""
        return _moved(sample, self._pixels)


def scrambling(image: ImageShape, grid: Grid, hidden: Order) -> Callable[[Sample], Sample]:
    """The function that :func:`scramble` applies to each sample.

    Args:
        image: the shape of every image.
        grid: how images are cut into patches.
        hidden: a full order of the grid.

    Raises:
        ReorderKitError: if the patches do not fill the image exactly.
    """
    pixels = _scrambled_pixels(image, grid, hidden)
    return lambda sample: _moved(sample, pixels)


def require_whole_patches(image: ImageShape, grid: Grid) -> None:
    """Refuse images that the patches of a grid do not fill exactly.

    Raises:
        ReorderKitError: if pixels would be left over.
    """
    if image.height % grid.height or image.width % grid.width or image.frames != grid.frames:
        size = f"{image.height}x{image.width}" if image.frames == 1 else f"{image.frames}x{image.height}x{image.width}"
        raise ReorderKitError(
            f"data.plant: an image of {size} pixels cannot be divided into {grid} whole patches to scramble",
            "resize the images, or give the backbone another patch_size or grid",
        )


def _moved(sample: Sample, pixels: Int[Tensor, " pixel"]) -> Sample:
    image = sample.image
    # Padding is scattered with the rest, so the content is no longer in one corner.
    return sample._replace(image=image.flatten(1).index_select(1, pixels).view(image.shape), content=None)


def _scrambled_pixels(image: ImageShape, grid: Grid, hidden: Order) -> Int[Tensor, " pixel"]:
    require_whole_patches(image, grid)
    numbers = ImageShape(1, image.height, image.width, image.frames)
    pixels = torch.arange(image.frames * image.height * image.width).view(1, *numbers.axes)
    return paste(hidden.apply(cut(pixels, grid)), grid, numbers).flatten()
