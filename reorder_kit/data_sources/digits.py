"""Handwritten digits from scikit-learn: data without a download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from reorder_kit.data.samples import ImagesInMemory
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    CLASS,
    ComponentOptions,
    DataSource,
    DataSplits,
    ImageShape,
    Preparation,
    Sample,
)
from reorder_kit.interfaces.decoding import Decoding
from reorder_kit.interfaces.numbers import Count

TEST_IMAGES = 497
SPLIT_SEED = 0
BRIGHTEST = 16
"""The value of full ink; 0 is paper."""


class Digits(DataSource):
    """1,797 handwritten digits of 8x8 pixels in one channel, which come with scikit-learn.

    The images are in one fixed random sequence, the same for every run seed, so that different seeds are evaluated on
    the same test images: the last 497 are the test split, the last ``validation_images`` of the 1,300 before them are
    for validation, and the rest is for training. All images are standardized with the mean and the standard deviation
    of the training pixels. There is no augmentation.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    its test part. https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits
    """

    name = "digits"
    target_kinds = (CLASS,)

    class Options(ComponentOptions):
        validation_images: Count = Field(
            100, lt=1300, description="number of validation images, out of the 1,300 that are not for testing"
        )

    options: Options

    @property
    def image(self) -> ImageShape:
        """Eight by eight pixels in one channel."""
        return ImageShape(1, 8, 8)

    def preparation(self, image: ImageShape) -> Preparation:
        """Scale whole images into 8x8 pixels; the rest is black, like the background of the digits."""
        # Imported on first use, because importing torchvision takes seconds.
        from reorder_kit.data.letterbox import letterbox
        from reorder_kit.data.normalize import Normalize

        bundled = _Bundled.load(self.options.validation_images)
        normalize = Normalize([float(bundled.mean) / BRIGHTEST], [float(bundled.std) / BRIGHTEST])
        return Preparation(
            lambda pixels: Sample(normalize(letterbox(pixels, (image.height, image.width))), None),
            Decoding(channels=1),
            notes=("The run was trained on light digits on black; invert images that are dark on white.",),
        )

    def open(self, seed: int) -> DataSplits:
        """Load and split; the seed is not used."""
        bundled = _Bundled.load(self.options.validation_images)
        images = ((bundled.raw - bundled.mean) / bundled.std).float()
        return DataSplits(
            image=self.image,
            classes=[str(digit) for digit in range(10)],
            train=ImagesInMemory(images, bundled.targets, bundled.train),
            validation=ImagesInMemory(images, bundled.targets, bundled.validation),
            test=ImagesInMemory(images, bundled.targets, bundled.test),
        )


@dataclass(frozen=True)
class _Bundled:
    """The digits of scikit-learn.

    Args:
        raw: all images, with values from 0 to 16.
        targets: the class of each.
        train: indices of the training images.
        validation: indices of the validation images.
        test: indices of the test images.
    """

    raw: Float[Tensor, "image 1 8 8"]
    targets: list[int]
    train: list[int]
    validation: list[int]
    test: list[int]

    @classmethod
    def load(cls, validation_images: int) -> _Bundled:
        """Load and split."""
        # Imported on first use, because importing scikit-learn takes a second.
        from sklearn.datasets import load_digits

        bundled = load_digits()
        # RandomState, because numpy guarantees that its stream never changes.
        shuffled = np.random.RandomState(SPLIT_SEED).permutation(len(bundled.target))
        rest, test = shuffled[:-TEST_IMAGES].tolist(), shuffled[-TEST_IMAGES:].tolist()
        raw = torch.from_numpy(bundled.images).unsqueeze(1)
        return cls(raw, bundled.target.tolist(), rest[:-validation_images], rest[-validation_images:], test)

    @property
    def mean(self) -> Float[Tensor, ""]:
        """The mean of the training pixels."""
        return self.raw[self.train].mean()

    @property
    def std(self) -> Float[Tensor, ""]:
        """The standard deviation of the training pixels."""
        return self.raw[self.train].std()


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [Digits]
