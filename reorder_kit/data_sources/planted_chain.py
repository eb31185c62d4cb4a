"""A planted chain: data for which the best order is known."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from reorder_kit.data.samples import ImagesInMemory
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, ComponentOptions, DataSource, DataSplits, ImageShape, Order
from reorder_kit.interfaces.numbers import Count, Seed, Size
from reorder_kit.ops.planted_chain import chain_class

IMAGES_SEED = 0
MOST_PATCHES = 2**16


class PlantedChain(DataSource):
    """Random signs whose class depends on which patches are neighbors in a hidden order, so the best order is known.

    An image has one channel and one pixel per patch (backbones need ``patch_size: 1``), +1 or -1 with equal
    probability, all independent. The class is the sign of the sum of the products of patches that are neighbors in the
    hidden order. A model that combines only neighboring slots, such as ``local`` with one block, window 1, causal, the
    readout ``mean`` and no positions, can reach full accuracy in the hidden order and its reverse. In other orders, its
    best accuracy depends on the share of hidden neighbors that they restore, as ``reorder_kit.ops.planted_chain``
    computes exactly.

    The images are the same for every run seed, so that different seeds are evaluated on the same test images;
    ``order_seed`` selects the hidden order. With 16 patches there are only 65,536 different images, so most test images
    are also training images. That is harmless as long as a model is too small to memorize them.

    Source: made for this package; results on majorities of signs are from R. O'Donnell, Analysis of Boolean Functions,
    2014, https://arxiv.org/abs/2105.10386
    """

    name = "planted-chain"
    target_kinds = (CLASS,)

    class Options(ComponentOptions):
        grid: tuple[Size, Size] = Field((4, 4), description="patches of an image, [height, width], even in number")
        order_seed: Seed = Field(0, description="seed of the hidden order")
        train_images: Count = Field(100_000, description="images for training")
        validation_images: Count = Field(2_000, description="images for validation")
        test_images: Count = Field(10_000, description="images for testing")

        @model_validator(mode="after")
        def _has_no_ties(self) -> PlantedChain.Options:
            height, width = self.grid
            if height * width > MOST_PATCHES:
                raise ValueError(f"grid [{height}, {width}] has more than {MOST_PATCHES:,} patches")
            if height * width % 2:
                raise ValueError(f"grid [{height}, {width}] has an odd number of patches, so classes could tie")
            return self

    options: Options

    @property
    def image(self) -> ImageShape:
        """One pixel per patch."""
        return ImageShape(1, *self.options.grid)

    def hidden_order(self) -> Order:
        """The order whose neighbors decide the class."""
        height, width = self.options.grid
        # RandomState, because numpy guarantees that its stream never changes.
        return Order(torch.from_numpy(np.random.RandomState(self.options.order_seed).permutation(height * width)))

    def open(self, seed: int) -> DataSplits:
        """Draw the images; the seed is not used."""
        sizes = (self.options.train_images, self.options.validation_images, self.options.test_images)
        splits = [self._draw(size, part) for part, size in enumerate(sizes)]
        return DataSplits(self.image, ["mostly negative", "mostly positive"], *splits)

    def _draw(self, size: int, part: int) -> ImagesInMemory:
        """The images of one split, which do not depend on the sizes of the others."""
        height, width = self.options.grid
        bits = np.random.RandomState((IMAGES_SEED, part)).randint(0, 2, (size, height * width), dtype=np.int8)
        signs = torch.from_numpy(2 * bits - 1)
        targets = chain_class(signs, self.hidden_order()).long().tolist()
        # One byte per pixel in memory; a sample is converted to floats when it is read.
        return ImagesInMemory(signs.view(size, 1, height, width), targets, range(size), transform=Tensor.float)


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [PlantedChain]
