"""Image files with any number of classes, split at random if they come without splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from reorder_kit.data.annotated import AnnotatedOptions, ImageFile, LabelledFile, LabelledImages, RawSample
from reorder_kit.data.class_findings import tell_of_absent
from reorder_kit.data.dealing import deal
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_options import HomePath
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, RecordedSplits, Unreadable


class MultiLabelOptions(AnnotatedOptions):
    """Options of sources of images with several labels."""

    root: HomePath = Field(description="the folder; ~ is the home folder")


class Labels(NamedTuple):
    """An image and its classes.

    Args:
        path: the file.
        present: numbers of the classes, ascending.
    """

    path: str
    present: tuple[int, ...]


@dataclass(frozen=True)
class MultiLabelFile(ImageFile):
    """An image file and its labels, kept compact: a tensor per image would be slow to send to loader processes.

    Args:
        path: the file.
        decoding: how it is decoded.
        num_classes: how many classes there are.
        present: numbers of the classes that the image has.
    """

    num_classes: int
    present: tuple[int, ...]

    def read(self) -> RawSample | Unreadable:
        """Decode the image."""
        return LabelledFile(self.path, self.decoding, self.label()).read()

    def label(self) -> Float[Tensor, " class"]:
        """1.0 for every class that is present."""
        labels = torch.zeros(self.num_classes)
        labels[list(self.present)] = 1.0
        return labels


def open_multi_label(
    options: MultiLabelOptions,
    classes: Sequence[str],
    train: Sequence[Labels],
    validation: Sequence[Labels] | None,
    test: Sequence[Labels] | None,
    seed: int,
    recorded: RecordedSplits | None,
    findings: Findings,
) -> DataSplits:
    """Set aside the missing splits, and leave out the classes that no training image has.

    Args:
        options: options of the source.
        classes: names of the classes.
        train: the images for training, from which missing splits are set aside.
        validation: the images for validation; None if there is no such split.
        test: the images for the test; None if there is no such split.
        seed: the run's seed.
        recorded: the splits of a run that is reopened.
        findings: what was dropped, guessed or converted so far.

    Raises:
        ReorderKitError: if there is nothing to set aside, or a split has no labels.
    """
    train, validation, test = deal(
        recorded,
        (train, validation, test),
        lambda image: FileIdentity(options.root, image.path),
        findings,
        lambda kept: options.complete(kept, validation, test, lambda image: image.present, seed),
    )
    kept = sorted({number for image in train for number in image.present})
    tell_of_absent(classes, kept, findings, "classes that no training image has are left out")
    number_of = {old: new for new, old in enumerate(kept)}

    def samples(name: str, images: Sequence[Labels]) -> list[MultiLabelFile]:
        found = [tuple(number_of[old] for old in image.present if old in number_of) for image in images]
        if not any(found):
            raise ReorderKitError(
                f"data.root: none of the {len(images)} {name} images of {options.root} has a class of a training image",
                "scores on such a split would mean nothing; add images of these classes to it",
            )
        decoding = options.decoding(options.channels)
        return [
            MultiLabelFile(image.path, decoding, len(kept), present)
            for image, present in zip(images, found, strict=True)
        ]

    return options.splits(
        [classes[old] for old in kept],
        samples("training", train),
        samples("validation", validation),
        samples("test", test),
        options.root,
        findings,
        LabelledImages,
    )
