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
    """Random signs whose class hangs on which patches are neighbours in a hidden order, so the best order is known.

    An image has one channel and a pixel for each patch (for a backbone, ``patch_size: 1``), +1 or -1 with equal
    probability, all independent. The class is the sign of the sum of the products of patches that are neighbours in
    the hidden order. A model that combines neighbouring slots only, as ``local`` with one block, window 1, causal, the
    readout ``mean`` and no positions, can always be right in the hidden order and in its reverse, and in others by the
    share of hidden neighbours that they restore: ``reorder_kit.ops.planted_chain`` says exactly what it can know.

    The images are the same for every seed of a run, so that results of different seeds are results on the same test
    images; ``order_seed`` hides another order in them. Of 16 patches there are no more than 65,536 images, so there
    most test images are training images, too: that is harmless as long as a model is too small to learn them by heart.

    Source: made for this package; what is known of a majority of signs is from R. O'Donnell, Analysis of Boolean
    Functions, 2014, https://arxiv.org/abs/2105.10386
    """

    name = "planted-chain"
    target_kinds = (CLASS,)

    class Options(ComponentOptions):
        grid: tuple[Size, Size] = Field((4, 4), description="patches of an image, [height, width], an even number")
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
                raise ValueError(f"grid [{height}, {width}] has an odd number of patches, so that classes could tie")
            return self

    options: Options

    @property
    def image(self) -> ImageShape:
        """A pixel for each patch."""
        return ImageShape(1, *self.options.grid)

    def hidden_order(self) -> Order:
        """The order in which neighbours decide."""
        height, width = self.options.grid
        # RandomState, since numpy promises that its stream never changes.
        return Order(torch.from_numpy(np.random.RandomState(self.options.order_seed).permutation(height * width)))

    def open(self, seed: int) -> DataSplits:
        """Draw the images; the seed plays no part."""
        sizes = (self.options.train_images, self.options.validation_images, self.options.test_images)
        splits = [self._draw(size, part) for part, size in enumerate(sizes)]
        return DataSplits(self.image, ["mostly negative", "mostly positive"], *splits)

    def _draw(self, size: int, part: int) -> ImagesInMemory:
        """The images of one split, which do not depend on the sizes of the others."""
        height, width = self.options.grid
        bits = np.random.RandomState((IMAGES_SEED, part)).randint(0, 2, (size, height * width), dtype=np.int8)
        signs = torch.from_numpy(2 * bits - 1)
        targets = chain_class(signs, self.hidden_order()).long().tolist()
        # A byte a pixel in memory; a sample becomes floats when it is asked for.
        return ImagesInMemory(signs.view(size, 1, height, width), targets, range(size), transform=Tensor.float)


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [PlantedChain]
