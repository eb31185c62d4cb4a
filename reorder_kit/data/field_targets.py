"""Targets from the fields of a record: a class, a list of classes, boxes with classes, or an encoded mask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from reorder_kit.data.annotated import RawSample
from reorder_kit.data.box_plausibility import BoxFormat
from reorder_kit.data.exif_orientation import Frame, Turn
from reorder_kit.data.findings import Findings
from reorder_kit.data.flags import flag
from reorder_kit.data.image_file import Picture
from reorder_kit.data.mask_file import Legend, read_mask, read_values
from reorder_kit.data.record_objects import edges_of, listed, object_columns
from reorder_kit.data.spellings import spelled_as
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, CLASS, MASK, MULTI_LABEL, BoxTarget, TargetKind, Unreadable

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)

Label = int | str
"""How a record refers to a class: by number or by name."""


@dataclass(frozen=True)
class Labels:
    """The classes of a data set.

    Args:
        names: the name of each class, by number.
        numbers: the number of each class, by its label in records.
    """

    names: tuple[str, ...]
    numbers: Mapping[Label, int]

    @classmethod
    def named(cls, names: Sequence[str]) -> Labels:
        """Classes that records refer to by name, or by position in the list."""
        return cls.by_name(names, names)

    @classmethod
    def by_name(cls, names: Sequence[str], places: Sequence[str]) -> Labels:
        """Classes that records refer to by name, or by position in a list of the same names.

        >>> Labels.by_name(["cat", "dog"], ["dog", "cat"]).number(0)
        1
        """
        number_of: dict[Label, int] = {name: number for number, name in enumerate(names)}
        numbers: dict[Label, int] = {place: number_of[name] for place, name in enumerate(spelled_as(names, places))}
        return cls(tuple(names), numbers | number_of)

    @classmethod
    def found(cls, labels: Iterable[Label], field: str) -> Labels:
        """The classes that occur in records, sorted.

        Args:
            labels: the labels of all training records.
            field: the recipe's field that says where they are, for messages.

        Raises:
            ReorderKitError: if there are none, or some are numbers and some names.
        """
        distinct: set[Label] = set(labels)
        if len({isinstance(label, str) for label in distinct}) > 1 and all(map(is_number, distinct)):
            distinct = {int(label) for label in distinct}
        if not distinct:
            raise ReorderKitError(f"{field}: the training images have no readable classes")
        if len({isinstance(label, str) for label in distinct}) > 1:
            raise ReorderKitError(
                f"{field}: some training images have a number as their class, others a name",
                "list the class names in data.classes; then both are understood",
            )
        ordered = sorted(distinct)
        return cls(tuple(map(str, ordered)), {label: number for number, label in enumerate(ordered)})

    def number(self, label: Any) -> int:
        """The number of a class.

        Raises:
            ValueError: if there is no such class.
        """
        number = self.find(checked_label(label))
        if number is None:
            raise ValueError(f"{label!r} is not one of the {len(self.names)} classes")
        return number

    def find(self, label: Label) -> int | None:
        """The number of a class; None if there is no such class. A number may be written as text.

        The Unicode form of a name does not matter.

        >>> Labels.named(["cat", "dog"]).find("1")
        1
        """
        number = self.numbers.get(label)
        if number is None and is_number(label):
            return self.numbers.get(str(label) if isinstance(label, int) else int(label))
        if number is None and isinstance(label, str) and not label.isascii():
            return self.numbers.get(spelled_as(self.names, [label])[0])
        return number


@dataclass(frozen=True)
class FieldTargets:
    """Turns the values in records into targets of one kind.

    Args:
        kind: the kind of target.
        labels: the classes.
        box_format: whether a box is left, top, width and height, or left, top, right and bottom.
        legend: what the values of a mask mean; None for the other kinds.
        usual_frame: the pixels that boxes and masks of turned images are made on, if their size does not tell.
        is_multi_hot: whether lists of labels have a 0 or 1 for each class, instead of the classes that are present.
    """

    kind: TargetKind
    labels: Labels
    box_format: BoxFormat
    legend: Legend | None
    usual_frame: Frame
    is_multi_hot: bool = False

    def sample(self, picture: Picture, value: Any, name: str, most_pixels: int) -> RawSample | Unreadable:
        """An image with its record's target, turned with the image if necessary.

        Args:
            picture: the image.
            value: the record's value.
            name: the record's name in messages.
            most_pixels: a larger mask is not decoded.
        """
        findings = Findings(picture.findings)
        note = findings.noting(name)
        try:
            target = self._mask(value, picture.turn, most_pixels, note) if self.kind == MASK else self(value)
        except ValueError as error:
            return Unreadable(name, str(error))
        if isinstance(target, BoxTarget):
            if len(target.boxes) and picture.turn.turns(None, self.usual_frame, note):
                target = replace(target, boxes=picture.turn.boxes(target.boxes))
        elif self.kind == MASK and target.shape != picture.pixels.shape[-2:]:
            sizes = [f"{height}x{width}" for height, width in (target.shape, picture.pixels.shape[-2:])]
            return Unreadable(name, f"the mask has {sizes[0]} pixels, but the image has {sizes[1]}")
        return RawSample(picture.pixels, target, findings.found)

    def __call__(self, value: Any) -> Any:
        """The target, for every kind except masks, which depend on their image.

        Raises:
            ValueError: if the value is not a target of this kind.
        """
        if self.kind == CLASS:
            return self.labels.number(value)
        if self.kind == MULTI_LABEL:
            return self._present(value)
        return self._boxes(value)

    def _mask(
        self, value: Any, turn: Turn, most_pixels: int, note: Callable[[str], None]
    ) -> UInt8[Tensor, "height width"]:
        assert self.legend is not None
        if not isinstance(value, bytes):
            raise ValueError("there is no mask")
        try:
            return read_mask(BytesIO(value), self.legend, most_pixels, turn, self.usual_frame, note)
        except Exception as error:
            raise ValueError(f"the mask cannot be read, {type(error).__name__}: {error}") from error

    def _present(self, value: Any) -> Float[Tensor, " class"]:
        present = torch.zeros(len(self.labels.names))
        labels = () if value is None else listed(value)  # tables hold null for an empty list
        for label in self._marked(labels) if self.is_multi_hot else labels:
            present[self.labels.number(label)] = 1.0
        return present

    def _marked(self, marks: Sequence[Any]) -> list[int]:
        if len(marks) not in (0, len(self.labels.names)) or not all(mark in (0, 1) for mark in marks):
            raise ValueError(f"not a list of {len(self.labels.names)} numbers, each 0 or 1: {marks!r:.60}")
        return [place for place, mark in enumerate(marks) if mark]

    def _boxes(self, value: Any) -> BoxTarget:
        columns = object_columns(value)
        classes = [self.labels.number(label) for label in columns["category"]]
        edges = edges_of(columns["bbox"], self.box_format)
        crowd = columns.get("iscrowd", [False] * len(classes))
        if not len(edges) == len(classes) == len(crowd):
            raise ValueError(f"{len(edges)} boxes have {len(classes)} classes and {len(crowd)} iscrowd values")
        try:
            is_crowd = list(map(flag, crowd))
        except ValueError as error:
            raise ValueError(f"iscrowd: {error}") from error
        boxes = [number for number, box in enumerate(edges) if box is not None]
        return BoxTarget(
            torch.tensor([edges[number] for number in boxes], dtype=torch.float32).reshape(-1, 4),
            torch.tensor([classes[number] for number in boxes], dtype=torch.int64),
            torch.tensor([is_crowd[number] for number in boxes], dtype=torch.bool),
        )


def is_number(label: Label) -> bool:
    """Whether a label is a number, or text in the form in which Python writes a number.

    >>> is_number(7), is_number("7"), is_number("07"), is_number("cat")
    (True, True, False, False)
    """
    return isinstance(label, int) or is_number_as_text(label)


def is_number_as_text(label: Label) -> bool:
    """Whether a label is text in the form in which Python writes a number."""
    return isinstance(label, str) and _NUMBER.fullmatch(label) is not None


def checked_label(label: Any) -> Label:
    """A record's label of a class, checked; a whole number may be written as a float.

    Raises:
        ValueError: if it is neither a number nor a name.
    """
    if isinstance(label, float) and label.is_integer():
        return int(label)
    if not isinstance(label, int | str):
        raise ValueError("there is no class" if label is None else f"a class must be a number or a name, not {label!r}")
    return label


def labels_in(kind: TargetKind, value: Any) -> list[Label]:
    """The labels of the classes in a record, for kinds of targets that have them.

    Raises:
        ValueError: if the value does not have the form that the kind needs.
    """
    if kind == CLASS:
        return [checked_label(value)]
    labels = object_columns(value)["category"] if kind == BOXES else listed(value)
    return [checked_label(label) for label in labels]


def labels_of_row(row: Sequence[Any] | None) -> list[Label]:
    """The classes in a row of a table; null and NaN mean no class.

    >>> labels_of_row([1.0, None, float("nan"), "cat"])
    [1, 'cat']

    Args:
        row: the classes; None for an empty list.

    Raises:
        ValueError: if a class is neither a whole number nor a name.
    """
    return [checked_label(label) for label in row or () if not (label is None or label != label)]


def mask_values(data: Any, legend: Legend, most_pixels: int) -> NDArray[Any]:
    """The values of an encoded mask.

    Args:
        data: the encoded mask.
        legend: what the values mean.
        most_pixels: a larger mask is not decoded.

    Raises:
        ValueError: if it cannot be read.
    """
    if not isinstance(data, bytes):
        raise ValueError("there is no mask")
    try:
        return read_values(BytesIO(data), legend, most_pixels)
    except Exception as error:
        raise ValueError(f"the mask cannot be read, {type(error).__name__}: {error}") from error
