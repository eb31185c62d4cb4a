"""Image files with boxes around objects: for detection, or as labels of the classes that occur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from reorder_kit.data.annotated import ImageFile, RawSample
from reorder_kit.data.box_plausibility import (
    CHECKED,
    BoxesOfImage,
    BoxFormat,
    Numbers,
    require_declared_sizes,
    require_plausible,
)
from reorder_kit.data.box_scale import tell_of_small_scale
from reorder_kit.data.class_findings import tell_of_absent
from reorder_kit.data.dealing import deal
from reorder_kit.data.findings import Findings
from reorder_kit.data.header_size import header_sizes
from reorder_kit.data.image_file import read_image
from reorder_kit.data.multi_label import Labels, MultiLabelOptions, open_multi_label
from reorder_kit.data.spread import spread
from reorder_kit.data.whole_numbers import Size
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import MULTI_LABEL, BoxTarget, DataSplits, RecordedSplits, TargetKind, Unreadable

Edges = tuple[float, float, float, float]
"""Left, top, right and bottom edges of a box, in pixels."""

_FIELD = "data.root"


@dataclass(frozen=True)
class BoxedFile(ImageFile):
    """An image file and its objects, kept compact: a tensor per image would be slow to send to loader processes.

    Args:
        path: the file.
        decoding: how it is decoded.
        boxes: left, top, right and bottom edges of each object, in pixels.
        classes: the number of each object's class.
        crowd: which boxes enclose many objects.
        declared_size: height and width of the image declared by its annotation, in pixels; None if not declared.
        flat: edges of boxes without width or height, which belong to no object but are counted when boxes are checked.
    """

    boxes: tuple[Edges, ...]
    classes: tuple[int, ...]
    crowd: tuple[bool, ...]
    declared_size: Size | None = None
    flat: tuple[Edges, ...] = ()

    def read(self) -> RawSample | Unreadable:
        """Decode the image, and turn the boxes with it if they were made on the stored pixels.

        An image whose size differs from the one that its annotation declares is unreadable: its boxes would be wrong.
        """
        picture = read_image(self.path, self.decoding)
        if isinstance(picture, Unreadable):
            return picture
        if self.declared_size not in (None, picture.turn.stored_size, picture.turn.upright_size):
            declared, found = (f"{height}x{width}" for height, width in (self.declared_size, picture.turn.stored_size))
            return Unreadable(self.path, f"its annotation declares {declared} pixels, but the image has {found}")
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
    box_format: BoxFormat,
) -> DataSplits:
    """Open the splits, and set aside the missing ones.

    Args:
        options: options of the source.
        target_kind: ``boxes``, or ``multi-label`` for the classes that occur.
        classes: names of the classes.
        train: the images for training, from which missing splits are set aside.
        validation: the images for validation; None if there is no such split.
        test: the images for the test; None if there is no such split.
        seed: the run's seed.
        recorded: the splits of a run that is reopened.
        findings: what was dropped, guessed or converted so far.
        box_format: the format in which the boxes were read.

    Raises:
        ReorderKitError: if there is nothing to set aside, a split has no object, or an image is in two splits; if most
            images of a split differ from their declared size, or its boxes are implausible.
    """
    refuse_shared(*([file.path for file in files] for files in (train, validation or (), test or ())))
    if target_kind == MULTI_LABEL:
        train_labels, validation_labels, test_labels = map(_labels, (train, validation, test))
        return open_multi_label(
            options, classes, train_labels or (), validation_labels, test_labels, seed, recorded, findings
        )
    for files in (train, validation or (), test or ()):
        _check_boxes(files, box_format, findings)
    train, validation, test = deal(
        recorded,
        (train, validation, test),
        lambda file: file.identity(options.root),
        findings,
        lambda kept: options.complete(kept, validation, test, _learned_classes, seed),
    )
    for name, files in (("training", train), ("validation", validation), ("test", test)):
        if all(all(file.crowd) for file in files):
            raise ReorderKitError(
                f"data.root: none of the {len(files)} {name} images of {options.root} has an object with a box",
                "scores on such a split would mean nothing; add annotated images to it",
            )
    tell_of_absent(classes, {number for file in train for number in _learned_classes(file)}, findings)
    return options.splits(classes, train, validation, test, options.root, findings)


def refuse_shared(*splits: Sequence[str]) -> None:
    """Check that no image is in two splits, or twice in one.

    Args:
        splits: names or paths of images.

    Raises:
        ReorderKitError: naming the first such image.
    """
    seen: set[str] = set()
    for name in (name for split in splits for name in split):
        if name in seen:
            raise ReorderKitError(f"data.root: the image {name} is listed twice", "list each image once, in one split")
        seen.add(name)


def _check_boxes(files: Files, box_format: BoxFormat, findings: Findings) -> None:
    """Compare some of the annotations with their images."""
    images, sizes = [], []
    for file in spread([file for file in files if file.boxes or file.flat], CHECKED):
        found = header_sizes(file.path)
        # Boxes of a photo stored on its side may be made on the stored or on the upright pixels.
        if file.declared_size is not None and found is not None:
            sizes.append((file.path, file.declared_size, found[file.declared_size == found[1]]))
        if size := file.declared_size or (found and found[0]):
            numbers = [_numbers(edges, box_format) for edges in (*file.boxes, *file.flat)]
            images.append(BoxesOfImage(file.path, numbers, size))
    require_declared_sizes(sizes, _FIELD)
    usual = "left, top, width and height" if box_format == "xywh" else "left, top, right and bottom edges"
    require_plausible(images, box_format, _FIELD, f"this format has {usual}; convert the boxes")
    tell_of_small_scale(images, box_format, findings)


def _numbers(edges: Edges, box_format: BoxFormat) -> Numbers:
    left, top, right, bottom = edges
    return edges if box_format == "xyxy" else (left, top, right - left, bottom - top)


def _labels(files: Files | None) -> list[Labels] | None:
    return None if files is None else [Labels(file.path, tuple(sorted(set(file.classes)))) for file in files]


def _learned_classes(file: BoxedFile) -> set[int]:
    """The classes that the image has outside crowds, from which nothing is learned."""
    return {number for number, is_crowd in zip(file.classes, file.crowd, strict=True) if not is_crowd}
