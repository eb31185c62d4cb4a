"""Objects with boxes as records write them; a box that is none is left out, and said once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64

from reorder_kit.errors import ReorderKitError

_log = logging.getLogger(__name__)

BoxFormat = Literal["xywh", "xyxy"]

BoxCounts = Int64[np.ndarray, "record 2"]
"""Of each record, how many of its boxes are none, and how many there are."""

_NAMED = 3


def object_columns(value: Any) -> dict[str, Sequence[Any]]:
    """``bbox``, ``category`` and, where it is there, ``iscrowd`` of every object.

    Args:
        value: a dictionary of lists, or a list of dictionaries, one for each object.

    Raises:
        ValueError: if it is neither, or lacks one of them.
    """
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
        ValueError: if it is none.
    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"a list was expected, not {value!r:.60}")
    return value


def edges_of(boxes: Sequence[Any], box_format: BoxFormat) -> list[tuple[float, float, float, float] | None]:
    """Left, top, right and bottom edge of each box, pixels; None where it has no four finite numbers or no area."""
    return [_edges(box, box_format) for box in boxes]


def _edges(box: Any, box_format: BoxFormat) -> tuple[float, float, float, float] | None:
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(isinstance(number, int | float) for number in box):
        return None
    try:
        left, top, right, bottom = map(float, box)
    except OverflowError:  # of whole numbers beyond all floats
        return None
    if box_format == "xywh":
        right, bottom = left + right, top + bottom
    # Infinity less infinity is no number, and no number is larger than another.
    return (left, top, right, bottom) if 0 < right - left < math.inf and 0 < bottom - top < math.inf else None


def count_boxes(value: Any, box_format: BoxFormat) -> tuple[int, int]:
    """How many boxes of a record are none, and how many it has; no objects at all make the record unreadable later."""
    try:
        boxes = object_columns(value)["bbox"]
    except ValueError:
        return 0, 0
    return edges_of(boxes, box_format).count(None), len(boxes)


def tell_of_flaws(counts: BoxCounts, split: str, name: Callable[[int], str], box_format: BoxFormat) -> None:
    """Log once how many boxes of a split are left out, if any are.

    Args:
        counts: of every record.
        split: which.
        name: how to call a record.
        box_format: what the numbers of a box were taken for.

    Raises:
        ReorderKitError: if most of the boxes are none, since their format must be another one.
    """
    flawed, boxes = counts.sum(axis=0).tolist()
    if not flawed:
        return
    records = np.flatnonzero(counts[:, 0]).tolist()
    more = f" and {len(records) - _NAMED} more" if len(records) > _NAMED else ""
    where = ", ".join(name(number) for number in records[:_NAMED]) + more
    what = f"{flawed} of {boxes} boxes of the {split} split have no four finite numbers, no width or no height"
    if 2 * flawed > boxes:
        raise ReorderKitError(f"data.box_format: read as {box_format}, {what}: {where}", "try the other format")
    _log.warning("%s, read as %s, and are left out: %s", what, box_format, where)
