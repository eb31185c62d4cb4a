"""Check the boxes of records before anything is trained."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from reorder_kit.data.box_findings import FLAT
from reorder_kit.data.box_plausibility import CHECKED, BoxesOfImage, BoxFormat, require_plausible
from reorder_kit.data.box_scale import tell_of_small_scale
from reorder_kit.data.exif_orientation import Frame
from reorder_kit.data.findings import Findings
from reorder_kit.data.header_size import header_sizes
from reorder_kit.data.record_objects import four_numbers, object_columns
from reorder_kit.data.records import RecordStore
from reorder_kit.data.spread import spread
from reorder_kit.errors import ReorderKitError

_NAMED = 3


def check_boxes(store: RecordStore, split: str, box_format: BoxFormat, findings: Findings, usual_frame: Frame) -> None:
    """Count the invalid boxes, and compare the others with some of the images.

    Args:
        store: holds the records of a split.
        split: the split.
        box_format: the format in which boxes are read.
        findings: collects how many are left out, and whether the others seem to be made on smaller images.
        usual_frame: the pixels that boxes of turned images are made on.

    Raises:
        ReorderKitError: if most boxes are invalid, or they are implausible.
    """
    counts = store.count_boxes(box_format)
    flawed, boxes = counts.sum(axis=0).tolist()
    records = np.flatnonzero(counts[:, 0]).tolist()
    if 2 * flawed > boxes:
        more = f" and {len(records) - _NAMED} more" if len(records) > _NAMED else ""
        where = ", ".join(store.name(number) for number in records[:_NAMED]) + more
        raise ReorderKitError(
            f"data.box_format: read as {box_format}, {flawed} of {boxes} boxes of the {split} split lack four finite"
            f" numbers, a width or a height: {where}",
            "try the other format",
        )
    if flawed:
        findings.add(FLAT, store.name(records[0]), flawed)
    read = [_read(store, number, usual_frame) for number in spread(np.flatnonzero(counts[:, 1]).tolist(), CHECKED)]
    other = "xyxy" if box_format == "xywh" else "xywh"
    images = [boxes_of_image for boxes_of_image in read if boxes_of_image is not None]
    require_plausible(images, box_format, f"data.{split}", f"set data.box_format to {other}")
    tell_of_small_scale(images, box_format, findings)


def _read(store: RecordStore, number: int, usual_frame: Frame) -> BoxesOfImage | None:
    """The boxes of a record; None if it cannot be read, which is reported when it is read as a sample."""
    try:
        encoded, value = store.read(number)
        boxes = object_columns(value)["bbox"]
    except (OSError, ValueError):
        return None
    sizes = header_sizes(BytesIO(encoded))
    numbers = [four for four in map(four_numbers, boxes) if four is not None]
    return None if sizes is None else BoxesOfImage(store.name(number), numbers, sizes[usual_frame == "upright"])
