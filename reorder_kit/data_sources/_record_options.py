"""The options that sources of records share, and the splits they set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Int64
from pydantic import Field, model_validator

from reorder_kit.data_sources._annotated import AnnotatedOptions, Entry
from reorder_kit.data_sources._field_targets import BoxFormat, FieldTargets, Labels
from reorder_kit.data_sources._mask_file import LARGEST_VALUE, ValueLegend
from reorder_kit.data_sources._splits import split_off
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, DataSplits, TargetKind

Rows = Int64[np.ndarray, " row"]
PixelValue = Annotated[int, Field(ge=0, le=LARGEST_VALUE)]


class RecordOptions(AnnotatedOptions):
    """What records mean, and how missing splits are set aside."""

    validation: str | None = Field(None, description="where the validation split is")
    test: str | None = Field(None, description="where the test split is")
    classes: tuple[str, ...] | None = Field(
        None,
        description="names of the classes, which records call by name or by place in this list, from 0; not given: as "
        "the data says, else the classes of the training images, sorted",
    )
    box_format: BoxFormat = Field(
        "xywh", description="numbers of a box, pixels; xywh: left, top, width, height; xyxy: left, top, right, bottom"
    )
    mask_values: tuple[PixelValue, ...] | None = Field(
        None, description="value in a mask of the pixels of each class, as [0, 255]; not given: 0, 1, 2, ..."
    )
    ignored_values: tuple[PixelValue, ...] | None = Field(
        None, description="values in a mask that nothing is learned from; not given: 255, unless that is a class"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of the training images set aside where there is no validation split"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of the images set aside where there is no test split"
    )

    @model_validator(mode="after")
    def _classes_are_told_apart(self) -> RecordOptions:
        for field, values in (("classes", self.classes), ("mask_values", self.mask_values)):
            if values is not None and (not values or len(set(values)) < len(values)):
                raise ValueError(f"{field} is empty or says something twice")
        if self.classes and self.mask_values and len(self.classes) != len(self.mask_values):
            raise ValueError(f"mask_values has {len(self.mask_values)} values for {len(self.classes)} classes")
        if both := set(self.mask_values or ()) & set(self.ignored_values or ()):
            raise ValueError(f"ignored_values has {min(both)}, which mask_values gives to a class")
        return self

    def unused(self) -> dict[str, str]:
        """A share of a split that has a place of its own."""
        return {
            f"{split}_fraction": f"there is a {split} split of its own, {place}"
            for split, place in (("validation", self.validation), ("test", self.test))
            if place is not None
        }

    def given_labels(self, kind: TargetKind) -> Labels | None:
        """The classes, if they need not be looked for.

        Raises:
            ReorderKitError: if they have to be given and are not.
        """
        names = self.classes
        if kind != "mask":
            return None if names is None else Labels.named(_unambiguous(names))
        if names is None and self.mask_values is None:
            raise ReorderKitError(
                "data.classes: masks do not tell how many classes there are", "name them, as [background, ship]"
            )
        labels = Labels.named(names or [str(value) for value in self.mask_values or ()])
        if len(labels.names) > IGNORED:
            raise ReorderKitError(f"data.classes: a mask has {IGNORED} classes at the most, not {len(labels.names)}")
        return labels

    def targets(self, kind: TargetKind, labels: Labels) -> FieldTargets:
        """How records become targets."""
        return FieldTargets(kind, labels, self.box_format, self._legend(len(labels.names)) if kind == "mask" else None)

    def _legend(self, classes: int) -> ValueLegend:
        values = range(classes) if self.mask_values is None else self.mask_values
        usual = () if IGNORED in values else (IGNORED,)
        return ValueLegend(values, usual if self.ignored_values is None else self.ignored_values)

    def set_aside(self, classes: Sequence[int], seed: int, *, validation: bool, test: bool) -> SetAside:
        """Set missing splits aside from train: test first, then validation from the rest.

        Args:
            classes: the class of every training record; all the same if none shall have the same share everywhere.
            seed: of the random choice within each class.
            validation: whether validation is missing.
            test: whether test is missing.

        Raises:
            ReorderKitError: if there are too few records.
        """
        of_class = np.asarray(classes)
        train = np.arange(len(of_class))
        aside: dict[str, Rows | None] = {"test": None, "validation": None}
        for split, missing, fraction in (
            ("test", test, self.test_fraction),
            ("validation", validation, self.validation_fraction),
        ):
            if missing:
                stay, out = split_off(of_class[train].tolist(), fraction, seed, f"data.{split}_fraction")
                aside[split], train = train[out], train[stay]
        return SetAside(train, aside["validation"], aside["test"])


def open_records(
    options: RecordOptions,
    labels: Labels,
    train: Sequence[Entry],
    validation: Sequence[Entry],
    test: Sequence[Entry],
) -> DataSplits:
    """The splits, the transforms tried on the first training record that can be read.

    Raises:
        ReorderKitError: if a split is empty, no training record can be read, or the transforms do not fit it.
    """
    for split, entries in (("train", train), ("validation", validation), ("test", test)):
        if not len(entries):
            raise ReorderKitError(f"data.{split}: there is no image")
    return options.splits(labels.names, train, validation, test)


def _unambiguous(names: Sequence[str]) -> Sequence[str]:
    """The names, if no number can mean one class by its name and another by its place."""
    for place, name in enumerate(names):
        if name.isdecimal() and int(name) != place:
            raise ReorderKitError(
                f"data.classes: {name!r} stands in place {place}, so a record's {int(name)} could mean two classes",
                "names that are numbers have to be 0, 1, 2, ...; leave data.classes out to take them from the data",
            )
    return names


class SetAside(NamedTuple):
    """Numbers of the training records by split; None for a split that has records of its own."""

    train: Rows
    validation: Rows | None
    test: Rows | None
