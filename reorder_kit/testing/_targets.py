"""Rules of data sources: the targets of samples, by their kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

from reorder_kit.interfaces import (
    BOXES,
    CAPTION,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    NONE,
    BoxTarget,
    DataSplits,
    Sample,
    TargetKind,
)
from reorder_kit.testing.rule import expect, expect_equal, rule


class OpenedCase(Protocol):
    """An opened data source."""

    @property
    def target_kind(self) -> TargetKind:
        """The kind of the targets."""
        ...

    @property
    def splits(self) -> DataSplits:
        """The splits of the opened data."""
        ...

    @property
    def samples(self) -> Mapping[str, list[Sample]]:
        """The samples of each split."""
        ...


@rule
def class_targets_are_numbers_of_classes(case: OpenedCase) -> None:
    """Return an ``int`` from 0 to the number of classes minus 1, and have a training image of every class."""
    if case.target_kind != CLASS:
        return
    classes = range(len(case.splits.classes))
    for name, samples in case.samples.items():
        for sample in samples:
            expect(
                type(sample.target) is int, f"{name}: a target is {sample.target!r} ({type(sample.target).__name__})"
            )
            expect(sample.target in classes, f"{name}: a target is {sample.target}, of {len(classes)} classes")
    missing = set(classes) - {sample.target for sample in case.samples["train"]}
    expect(not missing, f"no training image has one of the classes {sorted(missing)}")


@rule
def multi_label_targets_have_a_value_for_every_class(case: OpenedCase) -> None:
    """Return 1.0 or 0.0 for each class, as float32, and have a training image of every class."""
    if case.target_kind != MULTI_LABEL:
        return
    classes = len(case.splits.classes)
    for name, samples in case.samples.items():
        for sample in samples:
            expect_equal(tuple(sample.target.shape), (classes,), f"{name}: the shape of a target")
            expect_equal(sample.target.dtype, torch.float32, f"{name}: the type of a target")
            expect(set(sample.target.tolist()) <= {0.0, 1.0}, f"{name}: a target is {sample.target.tolist()}")
    counts = torch.stack([sample.target for sample in case.samples["train"]]).sum(dim=0)
    expect((counts > 0).all(), f"training images of each class: {counts.tolist()}")


@rule
def boxes_lie_in_the_content_of_the_image(case: OpenedCase) -> None:
    """Return a ``BoxTarget`` in pixels of the image that the model sees, with no box beyond its ``content``."""
    if case.target_kind != BOXES:
        return
    for name, samples in case.samples.items():
        for number, sample in enumerate(samples):
            target, where = sample.target, f"image {number} of {name}"
            height, width = sample.content or tuple(sample.image.shape[-2:])
            expect(isinstance(target, BoxTarget), f"the target of {where} is a {type(target).__name__}")
            expect_equal(tuple(target.boxes.shape), (len(target), 4), f"the shape of the boxes of {where}")
            types = (target.boxes.dtype, target.classes.dtype, target.crowd.dtype)
            expect_equal(
                types, (torch.float32, torch.int64, torch.bool), f"the types of boxes, classes, crowd of {where}"
            )
            inside = (target.boxes >= 0).all() and (target.boxes <= torch.tensor([width, height, width, height])).all()
            expect(inside, f"a box of {where} extends beyond {width}x{height} pixels: {target.boxes.tolist()}")
            expect((target.boxes[:, 2:] > target.boxes[:, :2]).all(), f"a box of {where} has no area")
            classes = target.classes.tolist()
            known = all(0 <= place < len(case.splits.classes) for place in classes)
            expect(known, f"the classes of {where} are {classes}")
    expect(any(len(sample.target) for sample in case.samples["train"]), "no training image has a box")


@rule
def masks_cover_the_content_of_the_image(case: OpenedCase) -> None:
    """Return a class number for each pixel of the image, as uint8, and ``IGNORED`` for padding."""
    if case.target_kind != MASK:
        return
    labeled: set[int] = set()
    for name, samples in case.samples.items():
        for number, sample in enumerate(samples):
            where = f"image {number} of {name}"
            height, width = sample.content or tuple(sample.image.shape[-2:])
            expect_equal(
                tuple(sample.target.shape), tuple(sample.image.shape[-2:]), f"the shape of the mask of {where}"
            )
            expect_equal(sample.target.dtype, torch.uint8, f"the type of the mask of {where}")
            padding = torch.cat([sample.target[height:].flatten(), sample.target[:, width:].flatten()])
            expect((padding == IGNORED).all(), f"padding of {where} is not ignored")
            numbers = set(sample.target.unique().tolist()) - {IGNORED}
            expect(all(0 <= place < len(case.splits.classes) for place in numbers), f"{where} has classes {numbers}")
            labeled |= numbers if name == "train" else set()
    expect(labeled, "no pixel of a training image has a class")


@rule
def captions_are_texts_and_missing_targets_are_none(case: OpenedCase) -> None:
    """Return a text or a list of texts for ``CAPTION``, and None for ``NONE``."""
    for name, samples in case.samples.items():
        for sample in samples:
            if case.target_kind == CAPTION:
                texts = [sample.target] if isinstance(sample.target, str) else sample.target
                is_text = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
                expect(is_text, f"{name}: a target is {sample.target!r}")
            if case.target_kind == NONE:
                expect(sample.target is None, f"{name}: a target is {sample.target!r}")


@rule
def targets_can_be_collated(case: OpenedCase) -> None:
    """Return targets that their kind can collate."""
    for samples in case.samples.values():
        case.target_kind.collate([sample.target for sample in samples[:4]])


TARGET_RULES = (
    class_targets_are_numbers_of_classes,
    multi_label_targets_have_a_value_for_every_class,
    boxes_lie_in_the_content_of_the_image,
    masks_cover_the_content_of_the_image,
    captions_are_texts_and_missing_targets_are_none,
    targets_can_be_collated,
)
