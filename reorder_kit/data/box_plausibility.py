"""Refuse implausible boxes before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from reorder_kit.data.whole_numbers import Size
from reorder_kit.errors import ReorderKitError

BoxFormat = Literal["xywh", "xyxy"]
Numbers = tuple[float, float, float, float]

CHECKED = 100
"""At most this many images of a split are checked."""

_MOST = 0.5
# If more than a few boxes do not fit as read, another reading must fit nearly all of them.
_FEW, _FEW_BOXES, _NEARLY_NONE = 0.1, 2, 0.01
# Annotators round and draw slightly over the edge: in pixels, and as a share of the side.
_OVER, _OVER_SHARE = 1.0, 0.01
# Fractions may slightly exceed 1. In images of a few pixels, such numbers could be pixels.
_LARGEST_FRACTION, _FEW_PIXELS = 1.5, 4

_WORDS: dict[BoxFormat, tuple[str, str]] = {
    "xywh": ("left, top, width, height", "top, left, height, width"),
    "xyxy": ("left, top, right, bottom", "top, left, bottom, right"),
}
_CENTERED = "center x, center y, width, height"

_Edges = Float64[np.ndarray, "box 4"]


class BoxesOfImage(NamedTuple):
    """The boxes of an image, as read.

    Args:
        name: the image's name in messages.
        numbers: four finite numbers for each box, including boxes without width or height.
        size: height and width of the image, in pixels.
    """

    name: str
    numbers: Sequence[Numbers]
    size: Size


def require_plausible(images: Sequence[BoxesOfImage], box_format: BoxFormat, field: str, format_hint: str) -> None:
    """Compare boxes with the sizes of their images.

    Args:
        images: the images with their boxes.
        box_format: the format in which the numbers were read.
        field: the recipe's field that leads to them, for messages.
        format_hint: what to do if the numbers have the other format.

    Raises:
        ReorderKitError: if most boxes are fractions of the image, or lie mostly outside it; or if many do not fit as
            read, but do fit in another format, with x and y exchanged, or when read as centers.
    """
    numbers = np.array([box for image in images for box in image.numbers], dtype=np.float64).reshape(-1, 4)
    if not len(numbers):
        return
    counts = [len(image.numbers) for image in images]
    sides = np.repeat(np.array([image.size[::-1] for image in images], dtype=np.float64), counts, axis=0)

    def example(marks: Bool[np.ndarray, " box"]) -> str:
        box = int(np.flatnonzero(marks)[0])
        image = images[int(np.searchsorted(np.cumsum(counts), box, side="right"))]
        said = ", ".join(f"{number:g}" for number in numbers[box])
        return f"such as [{said}] in {image.name}, which has {image.size[0]}x{image.size[1]} pixels"

    checked, words = len(numbers), _WORDS[box_format][0]
    is_fraction = np.all((np.abs(numbers) <= _LARGEST_FRACTION) & (sides.min(axis=1) > _FEW_PIXELS)[:, None], axis=1)
    if is_fraction.mean() > _MOST:
        raise ReorderKitError(
            f"{field}: {is_fraction.sum()} of {checked} boxes have no number above {_LARGEST_FRACTION:g}, "
            f"{example(is_fraction)}; they look like fractions of the image (normalized), but must be in pixels",
            "multiply x and width by the width of the image, y and height by its height",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        as_read = edges_as_read(numbers, box_format)
        misfits = ~_fits(as_read, sides)
        is_lost = ~_is_mostly_inside(as_read, sides)
        other = next(_fitting_readings(numbers, sides, box_format), None)
    few = misfits.mean() <= _MOST and misfits.sum() <= max(_FEW_BOXES, _FEW * checked)
    if other is not None and not few:
        is_other_format = other == _WORDS["xyxy" if box_format == "xywh" else "xywh"][0]
        raise ReorderKitError(
            f"{field}: read as {words}, {misfits.sum()} of {checked} boxes do not fit into their images, "
            f"{example(misfits)}; read as {other}, they do",
            format_hint if is_other_format else "convert the boxes; if they are right, clip them at the edges",
        )
    if is_lost.mean() > _MOST:
        raise ReorderKitError(
            f"{field}: read as {words}, {is_lost.sum()} of {checked} boxes lie mostly outside their images or have no "
            f"area, {example(is_lost)}",
            "the boxes may belong to other images, or to the same images in another size",
        )


def require_declared_sizes(sizes: Sequence[tuple[str, Size, Size]], field: str) -> None:
    """Compare the sizes declared in annotations with those of the files.

    Args:
        sizes: each image's name, its declared size, and its actual size.
        field: the recipe's field that leads to the annotations, for messages.

    Raises:
        ReorderKitError: if most of them differ.
    """
    other = [image for image in sizes if image[1] != image[2]]
    if len(other) > _MOST * len(sizes):
        name, declared, found = other[0]
        raise ReorderKitError(
            f"{field}: the annotations declare the wrong size for {len(other)} of {len(sizes)} images, such as {name}: "
            f"{declared[0]}x{declared[1]} pixels, but the file has {found[0]}x{found[1]}",
            "use the images that were annotated, or scale the boxes with the images",
        )


def edges_as_read(numbers: _Edges, box_format: BoxFormat) -> _Edges:
    """The left, top, right and bottom edges of boxes whose numbers have this format."""
    if box_format == "xyxy":
        return numbers
    return np.concatenate([numbers[:, :2], numbers[:, :2] + numbers[:, 2:]], axis=1)


def _fitting_readings(numbers: _Edges, sides: _Edges, box_format: BoxFormat) -> Iterator[str]:
    """Describe the other readings of the numbers in which nearly all boxes fit into their images."""
    other: BoxFormat = "xyxy" if box_format == "xywh" else "xywh"
    exchanged = numbers[:, [1, 0, 3, 2]]
    readings = [
        (_WORDS[other][0], edges_as_read(numbers, other)),
        (_WORDS[box_format][1], edges_as_read(exchanged, box_format)),
        (_WORDS[other][1], edges_as_read(exchanged, other)),
        (_CENTERED, edges_as_read(numbers - np.pad(numbers[:, 2:] / 2, [(0, 0), (0, 2)]), "xywh")),
    ]
    for words, edges in readings:
        if 1 - _fits(edges, sides).mean() <= _NEARLY_NONE:
            yield words


def _fits(edges: _Edges, sides: _Edges) -> Bool[np.ndarray, " box"]:
    over = _OVER + _OVER_SHARE * sides
    has_area = (edges[:, 2:] > edges[:, :2]).all(axis=1)
    starts_inside, ends_inside = (edges[:, :2] >= -over).all(axis=1), (edges[:, 2:] <= sides + over).all(axis=1)
    fits: Bool[np.ndarray, " box"] = np.logical_and.reduce([has_area, starts_inside, ends_inside])
    return fits


def _is_mostly_inside(edges: _Edges, sides: _Edges) -> Bool[np.ndarray, " box"]:
    inside = np.minimum(edges[:, 2:], sides) - np.maximum(edges[:, :2], 0)
    whole = edges[:, 2:] - edges[:, :2]
    # A share of each side, because areas of absurd numbers would overflow.
    shares = np.where(whole > 0, inside / np.where(whole > 0, whole, 1), 0).clip(min=0)
    mostly: Bool[np.ndarray, " box"] = shares.prod(axis=1) >= _MOST
    return mostly
