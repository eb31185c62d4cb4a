"""The options that sources of records share, and how these are opened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from reorder_kit.data.annotated import AnnotatedImages, AnnotatedOptions, LabelledImages
from reorder_kit.data.dealing import Dealt, deal
from reorder_kit.data.field_targets import FieldTargets, Labels
from reorder_kit.data.findings import Findings
from reorder_kit.data.mask_file import LARGEST_VALUE, ValueLegend
from reorder_kit.data.record_objects import BoxFormat, tell_of_flaws
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

PixelValue = Annotated[int, Field(ge=0, le=LARGEST_VALUE)]


class RecordOptions(AnnotatedOptions):
    """What records mean."""

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
        """How to set aside what has a place of its own."""
        found = {
            f"{split}_fraction": f"there is a {split} split of its own, {place}"
            for split, place in (("validation", self.validation), ("test", self.test))
            if place is not None
        }
        if len(found) == 2:
            found["split_seed"] = "no split is set aside"
        return super().unused() | found

    def given_labels(self, kind: TargetKind) -> Labels | None:
        """The classes, if they need not be looked for.

        Raises:
            ReorderKitError: if they have to be given and are not.
        """
        names = self.classes
        if kind != MASK:
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
        return FieldTargets(kind, labels, self.box_format, self._legend(len(labels.names)) if kind == MASK else None)

    def _legend(self, classes: int) -> ValueLegend:
        values = range(classes) if self.mask_values is None else self.mask_values
        usual = () if IGNORED in values else (IGNORED,)
        return ValueLegend(values, usual if self.ignored_values is None else self.ignored_values)


def open_records(
    options: RecordOptions,
    targets: FieldTargets,
    stores: Mapping[str, RecordStore],
    present: Callable[[int], Collection[int]],
    seed: int,
    root: Path,
    recorded: RecordedSplits | None,
    findings: Findings,
) -> DataSplits:
    """The splits, the transforms tried on the first training record that can be read.

    Args:
        options: of the source.
        targets: makes targets of what records say.
        stores: where the records for ``train`` lie, and those for ``validation`` and ``test`` if there are any.
        present: numbers of the classes of a training record; asked for only where a split has to be set aside.
        seed: of the run.
        root: where the data lies.
        recorded: the splits of a run that is reopened.
        findings: what was dropped, guessed or converted so far.

    Raises:
        ReorderKitError: if a split is empty, most of its boxes are none, no training record can be read, or the
            transforms do not fit it.
    """
    for split, store in stores.items():
        if not len(store):
            raise ReorderKitError(f"data.{split}: there is no image")
        if targets.kind == BOXES:
            tell_of_flaws(store.count_boxes(options.box_format), split, store.name, options.box_format)
    there = {split: range(len(store)) for split, store in stores.items()}

    def anew() -> Dealt[tuple[str, int]]:
        numbers = options.complete(there["train"], there.get("validation"), there.get("test"), present, seed)
        of_split = zip(SPLITS, numbers, strict=True)
        train, validation, test = (
            [(split if split in stores else "train", number) for number in numbers] for split, numbers in of_split
        )
        return train, validation, test

    present_places = [None if split not in there else [(split, number) for number in there[split]] for split in SPLITS]
    dealt = deal(recorded, present_places, lambda place: stores[place[0]].key(place[1]), findings, anew)
    # All records of a split lie in one store: its own, or that of train.
    train, validation, test = (
        Records(stores[places[0][0]], (number for _, number in places), options.channels, targets) for places in dealt
    )
    is_labelled = targets.kind in (CLASS, MULTI_LABEL)
    return options.splits(
        targets.labels.names,
        train,
        validation,
        test,
        root,
        findings,
        LabelledImages if is_labelled else AnnotatedImages,
    )


def _unambiguous(names: Sequence[str]) -> Sequence[str]:
    """The names, if no number can mean one class by its name and another by its place."""
    for place, name in enumerate(names):
        if name.isdecimal() and int(name) != place:
            raise ReorderKitError(
                f"data.classes: {name!r} stands in place {place}, so a record's {int(name)} could mean two classes",
                "names that are numbers have to be 0, 1, 2, ...; leave data.classes out to take them from the data",
            )
    return names
