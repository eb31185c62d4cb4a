"""Objects with boxes, as records write them; invalid boxes are left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

from reorder_kit.data.box_plausibility import BoxFormat, Numbers

BoxCounts = Int64[np.ndarray, "record 2"]
"""For each record, the number of its invalid boxes, and of all its boxes."""


def object_columns(value: Any) -> dict[str, Sequence[Any]]:
    """``bbox``, ``category`` and, if present, ``iscrowd`` of every object.

    Args:
        value: a dictionary of lists, or a list of dictionaries, one for each object; None for no objects.

    Raises:
        ValueError: if the value has another form, or an object lacks ``bbox`` or ``category``.
    """
    if value is None:  # tables hold null for an empty list
        return {"bbox": [], "category": []}
    if isinstance(value, Mapping):
        lists = {key: listed(value.get(key)) for key in ("bbox", "category")}
        return lists if value.get("iscrowd") is None else lists | {"iscrowd": listed(value["iscrowd"])}
    objects = listed(value)
    if not all(isinstance(entry, Mapping) and {"bbox", "category"} <= entry.keys() for entry in objects):
        raise ValueError("an object has no bbox or no category")
    return {key: [entry[key] for entry in objects] for key in ("bbox", "category")} | {
        "iscrowd": [entry.get("iscrowd", False) for entry in objects]
    }


def listed(value: Any) -> Sequence[Any]:
    """The value, if it is a list.

    Raises:
        ValueError: if it is anything else.
    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list, not {value!r:.60}")
    return value


def edges_of(boxes: Sequence[Any], box_format: BoxFormat) -> list[tuple[float, float, float, float] | None]:
    """Left, top, right and bottom edges of each box, in pixels; None if it lacks four finite numbers or an area."""
    return [_edges(box, box_format) for box in boxes]


def four_numbers(box: Any) -> Numbers | None:
    """The numbers of a box; None if they are not four finite numbers."""
    if not isinstance(box, list | tuple) or len(box) != 4:
        return None
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in box):
        return None
    try:
        first, second, third, fourth = map(float, box)
    except OverflowError:  # a whole number beyond the range of floats
        return None
    numbers = first, second, third, fourth
    return numbers if all(map(math.isfinite, numbers)) else None


def _edges(box: Any, box_format: BoxFormat) -> tuple[float, float, float, float] | None:
    numbers = four_numbers(box)
    if numbers is None:
        return None
    left, top, right, bottom = numbers
    if box_format == "xywh":
        right, bottom = left + right, top + bottom
    # The sum or the difference of large numbers can be infinite.
    return (left, top, right, bottom) if 0 < right - left < math.inf and 0 < bottom - top < math.inf else None


def count_boxes(value: Any, box_format: BoxFormat) -> tuple[int, int]:
    """The number of a record's invalid boxes, and of all its boxes; records with broken objects become unreadable."""
    try:
        boxes = object_columns(value)["bbox"]
    except ValueError:
        return 0, 0
    return edges_of(boxes, box_format).count(None), len(boxes)
