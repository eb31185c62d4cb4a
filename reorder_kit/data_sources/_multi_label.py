"""Image files with any number of classes, split by chance where they come without splits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field

from reorder_kit.data_sources._annotated import AnnotatedOptions, LabelledFile, RawSample
from reorder_kit.data_sources._image_options import HomePath
from reorder_kit.data_sources._splits import split_off
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, Unreadable


class MultiLabelOptions(AnnotatedOptions):
    """Where the images are, and how many are set aside."""

    root: HomePath = Field(description="the folder; ~ is the home folder")
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of the training images set aside where there is no validation split"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of the images set aside where there is no test split"
    )


class Labels(NamedTuple):
    """An image and its classes.

    Args:
        path: the file.
        present: numbers of the classes, ascending.
    """

    path: str
    present: tuple[int, ...]


@dataclass(frozen=True)
class MultiLabelFile:
    """An image file, its labels kept short: a tensor for each image would be slow to send to loader processes.

    Args:
        path: the file.
        channels: 3 for colour, 1 for grey.
        num_classes: how many classes there are.
        present: numbers of those that the image has.
    """

    path: str
    channels: int
    num_classes: int
    present: tuple[int, ...]

    def read(self) -> RawSample | Unreadable:
        """Decode the image."""
        labels = torch.zeros(self.num_classes)
        labels[list(self.present)] = 1.0
        return LabelledFile(self.path, self.channels, labels).read()


def open_multi_label(
    options: MultiLabelOptions,
    classes: Sequence[str],
    train: Sequence[Labels],
    validation: Sequence[Labels] | None,
    test: Sequence[Labels] | None,
    seed: int,
) -> DataSplits:
    """Set aside what is missing, and leave out the classes that no training image has.

    Args:
        options: of the source.
        classes: names of the classes.
        train: the images for training, from which the others are set aside.
        validation: the images for validation; None if there is no such split.
        test: the images for the test; None if there is no such split.
        seed: of the random choice.

    Raises:
        ReorderKitError: if there is nothing to set aside, or a split without any label.
    """
    if test is None:
        train, test = _set_aside(train, options.test_fraction, seed, "data.test_fraction")
    if validation is None:
        train, validation = _set_aside(train, options.validation_fraction, seed, "data.validation_fraction")
    kept = sorted(_present(train))
    number_of = {old: new for new, old in enumerate(kept)}

    def samples(name: str, images: Sequence[Labels]) -> list[MultiLabelFile]:
        found = [tuple(number_of[old] for old in image.present if old in number_of) for image in images]
        if not any(found):
            raise ReorderKitError(
                f"data.root: none of the {len(images)} {name} images of {options.root} has a class of a training image",
                "figures over such a split would say nothing",
            )
        return [
            MultiLabelFile(image.path, options.channels, len(kept), present)
            for image, present in zip(images, found, strict=True)
        ]

    return options.splits(
        [classes[old] for old in kept],
        samples("training", train),
        samples("validation", validation),
        samples("test", test),
    )


def _set_aside(
    images: Sequence[Labels], fraction: float, seed: int, field: str
) -> tuple[Sequence[Labels], Sequence[Labels]]:
    """Those that stay, and those set aside: of each image's rarest class as nearly the same share as can be.

    Every class stays with those that stay, so that the classes do not hang on the seed.
    """
    counts = np.bincount([number for image in images for number in image.present], minlength=1)
    rarest = [min(image.present, key=lambda number: counts[number], default=len(counts)) for image in images]
    stay, aside = split_off(rarest, fraction, seed, field)
    # A class that occurs once is never set aside. What is lost has two images at least, one of which goes back, so that
    # some images remain set aside.
    lost = _present(images) - _present(images[index] for index in stay)
    for index in tuple(aside):
        if lost.intersection(images[index].present):
            lost.difference_update(images[index].present)
            aside.remove(index)
            stay.append(index)
    return [images[index] for index in sorted(stay)], [images[index] for index in aside]


def _present(images: Iterable[Labels]) -> set[int]:
    return {number for image in images for number in image.present}
