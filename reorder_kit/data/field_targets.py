"""Targets from the fields of a record: a class, a list of classes, boxes with their classes, or an encoded mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reorder_kit.data.annotated import RawSample
from reorder_kit.data.exif_orientation import Frame, Turn
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import Picture
from reorder_kit.data.mask_file import Legend, read_mask
from reorder_kit.data.record_objects import BoxFormat, edges_of, listed, object_columns
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, CLASS, MASK, MULTI_LABEL, BoxTarget, TargetKind, Unreadable

Label = int | str
"""How a record calls a class: by a number or by its name."""


@dataclass(frozen=True)
class Labels:
    """The classes of a data set.

    Args:
        names: the name of each class, by number.
        numbers: the number of each class, by what records call it.
    """

    names: tuple[str, ...]
    numbers: Mapping[Label, int]

    @classmethod
    def named(cls, names: Sequence[str]) -> Labels:
        """Classes that records call by their name, or by their place in the list."""
        places: dict[Label, int] = {number: number for number in range(len(names))}
        return cls(tuple(names), places | {name: number for number, name in enumerate(names)})

    @classmethod
    def found(cls, labels: Iterable[Label], field: str) -> Labels:
        """Classes that records were seen to have, sorted.

        Args:
            labels: of all training records.
            field: the recipe's field that says where they are, for messages.

        Raises:
            ReorderKitError: if there are none, or some are numbers and some names.
        """
        distinct = set(labels)
        if not distinct:
            raise ReorderKitError(f"{field}: the training images have no classes that could be read")
        if len({isinstance(label, str) for label in distinct}) > 1:
            raise ReorderKitError(
                f"{field}: some training images have a number as their class, and some a name",
                "name the classes in data.classes, then both are understood",
            )
        ordered = sorted(distinct)
        return cls(tuple(map(str, ordered)), {label: number for number, label in enumerate(ordered)})

    def number(self, label: Any) -> int:
        """The number of a class.

        Raises:
            ValueError: if there is no such class.
        """
        number = self.numbers.get(checked_label(label))
        if number is None:
            raise ValueError(f"{label!r} is none of the {len(self.names)} classes")
        return number


@dataclass(frozen=True)
class FieldTargets:
    """Turns what a record holds into targets of one kind.

    Args:
        kind: the kind.
        labels: the classes.
        box_format: whether a box is left, top, width and height, or left, top, right and bottom.
        legend: what the values of a mask stand for; None for the other kinds.
        usual_frame: what boxes and masks of turned images are made on where their size does not tell.
    """

    kind: TargetKind
    labels: Labels
    box_format: BoxFormat
    legend: Legend | None
    usual_frame: Frame

    def sample(self, picture: Picture, value: Any, name: str, most_pixels: int) -> RawSample | Unreadable:
        """An image with the target that its record holds, turned with the image where it has to be.

        Args:
            picture: the image.
            value: what the record holds.
            name: how to call the record in messages.
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
            return Unreadable(name, f"the mask has {sizes[0]} pixels, the image {sizes[1]}")
        return RawSample(picture.pixels, target, findings.found)

    def __call__(self, value: Any) -> Any:
        """The target, of every kind but masks, which hang on their image.

        Raises:
            ValueError: if the value does not make one.
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
        for label in () if value is None else listed(value):  # tables hold null for an empty list
            present[self.labels.number(label)] = 1.0
        return present

    def _boxes(self, value: Any) -> BoxTarget:
        columns = object_columns(value)
        classes = [self.labels.number(label) for label in columns["category"]]
        edges = edges_of(columns["bbox"], self.box_format)
        crowd = columns.get("iscrowd", [False] * len(classes))
        if not len(edges) == len(classes) == len(crowd):
            raise ValueError(f"{len(edges)} boxes have {len(classes)} classes and {len(crowd)} marks of a crowd")
        boxes = [number for number, box in enumerate(edges) if box is not None]
        return BoxTarget(
            torch.tensor([edges[number] for number in boxes], dtype=torch.float32).reshape(-1, 4),
            torch.tensor([classes[number] for number in boxes], dtype=torch.int64),
            torch.tensor([bool(crowd[number]) for number in boxes], dtype=torch.bool),
        )


def checked_label(label: Any) -> Label:
    """What a record calls a class.

    Raises:
        ValueError: if that is neither a number nor a name.
    """
    if not isinstance(label, int | str):
        raise ValueError("there is no class" if label is None else f"a class is a number or a name, not {label!r}")
    return label


def labels_in(kind: TargetKind, value: Any) -> list[Label]:
    """The classes that a record holds, for the kinds that name them.

    Raises:
        ValueError: if it does not hold what it has to.
    """
    if kind == CLASS:
        return [checked_label(value)]
    labels = object_columns(value)["category"] if kind == BOXES else listed(value)
    return [checked_label(label) for label in labels]
