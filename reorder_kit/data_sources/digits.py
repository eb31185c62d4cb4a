"""Handwritten digits that come with scikit-learn: data without a download."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from reorder_kit.data.samples import ImagesInMemory
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, ComponentOptions, DataSource, DataSplits, ImageShape
from reorder_kit.interfaces.numbers import Count

TEST_IMAGES = 497
SPLIT_SEED = 0


class Digits(DataSource):
    """1,797 handwritten digits of 8x8 pixels in one channel, from scikit-learn's installation.

    The images stand in one fixed random sequence, the same for every seed of a run, so that results of different seeds
    are results on the same test images: the last 497 are the test split, of the 1,300 before them the last
    ``validation_images`` are for validation, and the rest is for training. All images are standardised with one mean
    and one standard deviation, those of the training pixels. There is no augmentation.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    its test part. https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits
    """

    name = "digits"
    target_kinds = (CLASS,)

    class Options(ComponentOptions):
        validation_images: Count = Field(
            100, lt=1300, description="images for validation, out of the 1,300 that are not for testing"
        )

    options: Options

    @property
    def image(self) -> ImageShape:
        """Eight by eight pixels in one channel."""
        return ImageShape(1, 8, 8)

    def open(self, seed: int) -> DataSplits:
        """Load and split; the seed plays no part."""
        # Imported on first use: scikit-learn takes a second.
        from sklearn.datasets import load_digits

        bundled = load_digits()
        # RandomState, since numpy promises that its stream never changes.
        shuffled = np.random.RandomState(SPLIT_SEED).permutation(len(bundled.target))
        rest, test = shuffled[:-TEST_IMAGES].tolist(), shuffled[-TEST_IMAGES:].tolist()
        train, validation = rest[: -self.options.validation_images], rest[-self.options.validation_images :]

        raw = torch.from_numpy(bundled.images).unsqueeze(1)
        images = ((raw - raw[train].mean()) / raw[train].std()).float()
        targets = bundled.target.tolist()
        return DataSplits(
            image=self.image,
            classes=[str(digit) for digit in range(10)],
            train=ImagesInMemory(images, targets, train),
            validation=ImagesInMemory(images, targets, validation),
            test=ImagesInMemory(images, targets, test),
        )


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [Digits]
