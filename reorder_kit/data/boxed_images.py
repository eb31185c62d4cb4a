"""Image files whose objects have boxes: for detection, or as labels of what occurs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from reorder_kit.data.annotated import ImageFile, RawSample
from reorder_kit.data.dealing import deal
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import read_image
from reorder_kit.data.multi_label import Labels, MultiLabelOptions, open_multi_label
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import MULTI_LABEL, BoxTarget, DataSplits, RecordedSplits, TargetKind, Unreadable


@dataclass(frozen=True)
class BoxedFile(ImageFile):
    """An image file and its objects, kept short: tensors for each image would be slow to send to loader processes.

    Args:
        path: the file.
        decoding: how it is decoded.
        boxes: left, top, right and bottom edge of each object, pixels.
        classes: the number of each object's class.
        crowd: which boxes are around many objects.
        declared_size: height and width, pixels, that the annotations give the image; None if they do not.
    """

    boxes: tuple[tuple[float, float, float, float], ...]
    classes: tuple[int, ...]
    crowd: tuple[bool, ...]
    declared_size: tuple[int, int] | None = None

    def read(self) -> RawSample | Unreadable:
        """Decode the image, and turn the boxes with it where they were made on the stored pixels."""
        picture = read_image(self.path, self.decoding)
        if isinstance(picture, Unreadable):
            return picture
        findings = Findings(picture.findings)
        boxes = torch.tensor(self.boxes, dtype=torch.float32).reshape(-1, 4)
        if len(boxes) and picture.turn.turns(self.declared_size, "stored", findings.noting(self.path)):
            boxes = picture.turn.boxes(boxes)
        target = BoxTarget(
            boxes, torch.tensor(self.classes, dtype=torch.int64), torch.tensor(self.crowd, dtype=torch.bool)
        )
        return RawSample(picture.pixels, target, findings.found)


Files = Sequence[BoxedFile]


def open_boxed(
    options: MultiLabelOptions,
    target_kind: TargetKind,
    classes: Sequence[str],
    train: Files,
    validation: Files | None,
    test: Files | None,
    seed: int,
    recorded: RecordedSplits | None,
    findings: Findings,
) -> DataSplits:
    """Set aside what is missing.

    Args:
        options: of the source.
        target_kind: ``boxes``, or ``multi-label`` for which classes occur.
        classes: names of the classes.
        train: the images for training, from which the others are set aside.
        validation: the images for validation; None if there is no such split.
        test: the images for the test; None if there is no such split.
        seed: of the run.
        recorded: the splits of a run that is reopened.
        findings: what was dropped, guessed or converted so far.

    Raises:
        ReorderKitError: if there is nothing to set aside, a split without any object, or an image in two splits.
    """
    refuse_shared(*([file.path for file in files] for files in (train, validation or (), test or ())))
    if target_kind == MULTI_LABEL:
        train_labels, validation_labels, test_labels = map(_labels, (train, validation, test))
        return open_multi_label(
            options, classes, train_labels or (), validation_labels, test_labels, seed, recorded, findings
        )
    train, validation, test = deal(
        recorded,
        (train, validation, test),
        lambda file: file.name(options.root),
        findings,
        lambda: options.complete(train, validation, test, _learned_classes, seed),
    )
    for name, files in (("training", train), ("validation", validation), ("test", test)):
        if all(all(file.crowd) for file in files):
            raise ReorderKitError(
                f"data.root: none of the {len(files)} {name} images of {options.root} has an object with a box",
                "figures over such a split would say nothing",
            )
    return options.splits(classes, train, validation, test, options.root, findings)


def refuse_shared(*splits: Sequence[str]) -> None:
    """Check that no image is in two splits, or twice in one.

    Args:
        splits: names or paths of images.

    Raises:
        ReorderKitError: naming the first image that is.
    """
    seen: set[str] = set()
    for name in (name for split in splits for name in split):
        if name in seen:
            raise ReorderKitError(
                f"data.root: the image {name} is listed twice", "an image belongs to one split, and once"
            )
        seen.add(name)


def _labels(files: Files | None) -> list[Labels] | None:
    return None if files is None else [Labels(file.path, tuple(sorted(set(file.classes)))) for file in files]


def _learned_classes(file: BoxedFile) -> set[int]:
    """Those of which the image has more than a crowd, from which nothing is learned."""
    return {number for number, is_crowd in zip(file.classes, file.crowd, strict=True) if not is_crowd}
