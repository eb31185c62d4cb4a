"""A needle: data for which no order is good for every image."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Int8
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from reorder_kit.data.samples import ImagesInMemory
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, ComponentOptions, DataSource, DataSplits, ImageShape
from reorder_kit.interfaces.numbers import Count, Size

IMAGES_SEED = 1
MOST_PATCHES = 2**12
SIDE = 2
"""Height and width of a patch, pixels."""
CLASSES = ("- -", "- +", "+ -", "+ +")


class Needle(DataSource):
    """Patches of random signs, one of which tells the class: its place is random, so no order is good for every image.

    An image has one channel and patches of 2x2 pixels (backbones need ``patch_size: 2``), all +1 or -1. The class of
    the image is the second and third pixel of one patch, the needle. Decoys, the other patches, have the same there,
    at random. ``mark`` says what gives the needle away:

    * ``sign``: its first pixel is +1, and that of every decoy -1.
    * ``product``: its first and last pixel are equal, and those of every decoy differ. No linear score of a patch can
      tell.
    * ``predecessor``: the patch before it, in row-major order, has a first pixel of +1; all others, including the
      needle, have -1. No score that sees one patch at a time can tell. The first patch is never the needle.

    A model that reads R of n patches has an accuracy of at most R/n + (1 - R/n)/4 if its order is the same for every
    image (``reorder_kit.ops.needle``), and 1.0 with an order that puts each needle among the patches that it reads.
    With ``predecessor``, n counts the patches that can be the needle.

    The images are the same for every run seed. On very small grids, test images are also training images.

    Source: made for this package; the name is that of a test of language models (G. Kamradt, Needle In A Haystack,
    2023, https://github.com/gkamradt/LLMTest_NeedleInAHaystack).
    """

    name = "needle"
    target_kinds = (CLASS,)

    class Options(ComponentOptions):
        grid: tuple[Size, Size] = Field((4, 4), description="patches of an image, [height, width], at least two")
        mark: Literal["sign", "product", "predecessor"] = Field("sign", description="what gives the needle away")
        train_images: Count = Field(30_000, description="images for training")
        validation_images: Count = Field(2_000, description="images for validation")
        test_images: Count = Field(10_000, description="images for testing")

        @model_validator(mode="after")
        def _has_a_decoy(self) -> Needle.Options:
            height, width = self.grid
            if not 2 <= height * width <= MOST_PATCHES:
                raise ValueError(f"grid [{height}, {width}] must have 2 to {MOST_PATCHES:,} patches")
            return self

    options: Options

    @property
    def image(self) -> ImageShape:
        """Two pixels by two for each patch."""
        height, width = self.options.grid
        return ImageShape(1, SIDE * height, SIDE * width)

    def open(self, seed: int) -> DataSplits:
        """Draw the images; the seed is not used."""
        sizes = (self.options.train_images, self.options.validation_images, self.options.test_images)
        splits = [self._draw(size, part) for part, size in enumerate(sizes)]
        return DataSplits(self.image, CLASSES, *splits)

    def _draw(self, size: int, part: int) -> ImagesInMemory:
        height, width = self.options.grid
        # RandomState, because numpy guarantees that its stream never changes.
        random = np.random.RandomState((IMAGES_SEED, part))
        patches = 2 * random.randint(0, 2, (size, height * width, SIDE * SIDE), dtype=np.int8) - 1
        first_place = 1 if self.options.mark == "predecessor" else 0
        needles = random.randint(first_place, height * width, size)
        self._mark(patches, needles)
        chosen = patches[np.arange(size), needles]
        targets = (2 * (chosen[:, 1] > 0) + (chosen[:, 2] > 0)).tolist()
        # One byte per pixel in memory; a sample is converted to floats when it is read.
        return ImagesInMemory(_as_images(patches, height, width), targets, range(size), transform=Tensor.float)

    def _mark(self, patches: NDArray[np.int8], needles: NDArray[np.int64]) -> None:
        """Give the needle of each image away, in place."""
        images, first, last = np.arange(len(patches)), patches[..., 0], patches[..., 3]
        if self.options.mark == "product":
            last[:] = -first
            last[images, needles] = first[images, needles]
        else:
            first[:] = -1
            first[images, needles - (self.options.mark == "predecessor")] = 1


def _as_images(patches: NDArray[np.int8], height: int, width: int) -> Int8[Tensor, "image 1 rows columns"]:
    cells = torch.from_numpy(patches).view(-1, height, width, SIDE, SIDE)
    return cells.permute(0, 1, 3, 2, 4).reshape(-1, 1, SIDE * height, SIDE * width)


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [Needle]
