"""The options shared by sources of records, and how these sources are opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from reorder_kit.data.annotated import AnnotatedImages, AnnotatedOptions, LabelledImages
from reorder_kit.data.box_plausibility import BoxFormat
from reorder_kit.data.dealing import Dealt, deal
from reorder_kit.data.exif_orientation import Frame
from reorder_kit.data.field_targets import FieldTargets, Labels
from reorder_kit.data.findings import Findings
from reorder_kit.data.mask_file import LARGEST_VALUE, ValueLegend
from reorder_kit.data.mask_look import look_at_masks
from reorder_kit.data.record_box_checks import check_boxes
from reorder_kit.data.record_classes import RecordClasses
from reorder_kit.data.records import Records, RecordStore
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    BOXES,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    SPLITS,
    DataSplits,
    RecordedSplits,
    TargetKind,
)
from reorder_kit.interfaces.numbers import Whole

Place = tuple[str, int]
"""The split whose store holds a record, and its number in that store."""

PixelValue = Annotated[Whole, Field(ge=0, le=LARGEST_VALUE)]


class RecordOptions(AnnotatedOptions):
    """How records are read."""

    validation: str | None = Field(None, description="where the validation split is")
    test: str | None = Field(None, description="where the test split is")
    classes: tuple[str, ...] | None = Field(
        None,
        description="names of the classes; records refer to them by name or by position in this list, from 0, or by "
        "the names that the data gives to its numbers; default: the data's names, else the training images' classes, "
        "sorted",
    )
    box_format: BoxFormat = Field(
        "xywh", description="numbers of a box in pixels; xywh: left, top, width, height; xyxy: left, top, right, bottom"
    )
    mask_values: tuple[PixelValue, ...] | None = Field(
        None, description="pixel value of each class in masks, as [0, 255]; default: 0, 1, 2, ..."
    )
    ignored_values: tuple[PixelValue, ...] | None = Field(
        None, description="pixel values in masks that are ignored; default: 255, unless it is a class"
    )

    @model_validator(mode="after")
    def _classes_are_told_apart(self) -> RecordOptions:
        for field, values in (("classes", self.classes), ("mask_values", self.mask_values)):
            if values is not None and (not values or len(set(values)) < len(values)):
                raise ValueError(f"{field} is empty or has a duplicate")
        if self.classes and self.mask_values and len(self.classes) != len(self.mask_values):
            raise ValueError(f"mask_values has {len(self.mask_values)} values for {len(self.classes)} classes")
        if both := set(self.mask_values or ()) & set(self.ignored_values or ()):
            raise ValueError(f"ignored_values has {min(both)}, which mask_values gives to a class")
        return self

    def unused(self) -> dict[str, str]:
        """Fractions of splits that the data has already."""
        found = {
            f"{split}_fraction": f"the data has its own {split} split, {place}"
            for split, place in (("validation", self.validation), ("test", self.test))
            if place is not None
        }
        if len(found) == 2:
            found["split_seed"] = "no split is set aside"
        return super().unused() | found

    def mask_classes(self) -> tuple[str, ...]:
        """The classes of masks, which come from the recipe because masks do not name them.

        Raises:
            ReorderKitError: if the recipe does not name them, or there are too many.
        """
        names = self.classes or tuple(map(str, self.mask_values or ()))
        if not names:
            raise ReorderKitError(
                "data.classes: masks do not say which classes there are", "name them, as in [background, ship]"
            )
        if len(names) > IGNORED:
            raise ReorderKitError(f"data.classes: a mask can have at most {IGNORED} classes, not {len(names)}")
        return names

    def targets(self, kind: TargetKind, labels: Labels, usual_frame: Frame, is_multi_hot: bool) -> FieldTargets:
        """How records become targets.

        Args:
            kind: the kind of the targets.
            labels: the classes.
            usual_frame: the pixels that boxes and masks of turned images are made on, if their size does not tell.
            is_multi_hot: whether lists of labels have a 0 or 1 for each class.
        """
        legend = self.legend(len(labels.names)) if kind == MASK else None
        return FieldTargets(kind, labels, self.box_format, legend, usual_frame, is_multi_hot)

    def legend(self, classes: int) -> ValueLegend:
        """The meaning of mask values.

        Args:
            classes: the number of classes.
        """
        values = range(classes) if self.mask_values is None else self.mask_values
        usual = () if IGNORED in values else (IGNORED,)
        return ValueLegend(values, usual if self.ignored_values is None else self.ignored_values)


def open_records(
    options: RecordOptions,
    kind: TargetKind,
    classes: RecordClasses,
    stores: Mapping[str, RecordStore],
    seed: int,
    root: Path,
    recorded: RecordedSplits | None,
    findings: Findings,
    usual_frame: Frame,
) -> DataSplits:
    """Open the splits, and try the transforms on the first readable training record.

    Args:
        options: options of the source.
        kind: the kind of the targets.
        classes: the classes of the records.
        stores: the records for ``train``, and for ``validation`` and ``test`` if there are any.
        seed: the run's seed.
        root: the data's folder.
        recorded: the splits of a run that is reopened.
        findings: what was dropped, guessed or converted so far.
        usual_frame: the pixels that boxes and masks of turned images are made on, if their size does not tell.

    Raises:
        ReorderKitError: if a split is empty, its boxes are implausible, no training record can be read, or the
            transforms do not fit it.
    """
    for split, store in stores.items():
        if not len(store):
            raise ReorderKitError(f"data.{split}: there are no images")
        if kind == BOXES:
            check_boxes(store, split, options.box_format, findings, usual_frame)
    dealt = _deal(options, kind, classes, stores, seed, recorded, findings)
    targets = {
        split: options.targets(kind, labels, usual_frame, classes.is_multi_hot)
        for split, labels in classes.labels.items()
    }
    decoding = options.decoding(options.channels)
    # All records of a split are in one store: its own, or that of train.
    train, validation, test = (
        Records(stores[split], (number for _, number in places), decoding, targets[split])
        for places in dealt
        for split in (places[0][0],)
    )
    if kind == MASK:
        legend = options.legend(len(classes.names))
        set_aside = [split for split in SPLITS if split not in stores]
        look_at_masks((train, validation, test), set_aside, classes.names, legend, "data.mask_values", findings)
    is_labelled = kind in (CLASS, MULTI_LABEL)
    return options.splits(
        classes.names,
        train,
        validation,
        test,
        root,
        findings,
        LabelledImages if is_labelled else AnnotatedImages,
    )


def _deal(
    options: RecordOptions,
    kind: TargetKind,
    classes: RecordClasses,
    stores: Mapping[str, RecordStore],
    seed: int,
    recorded: RecordedSplits | None,
    findings: Findings,
) -> Dealt[Place]:
    """The records of each split: as recorded by a run that is reopened, or dealt anew."""
    places = {split: [(split, number) for number in range(len(store))] for split, store in stores.items()}

    def anew(train: Sequence[Place]) -> Dealt[Place]:
        is_set_aside = len(stores) < len(SPLITS) and kind != MASK
        present = classes.numbers("train", stores["train"]) if is_set_aside else [()] * len(stores["train"])
        return options.complete(
            train, places.get("validation"), places.get("test"), lambda place: present[place[1]], seed
        )

    return deal(
        recorded,
        [places.get(split) for split in SPLITS],
        lambda place: stores[place[0]].identity(place[1]),
        findings,
        anew,
    )
