"""A description of a run's data: its source, its size, and what was dropped."""

from __future__ import annotations

from reorder_kit.reports.images import OpenedRun
from reorder_kit.reports.record import RunRecord
from reorder_kit.runs.data_record import DataRecord

_MOST_CLASSES = 6
_SPLITS = {"train": "training", "validation": "validation", "test": "test"}


def data_words(record: RunRecord, opened: OpenedRun | str | None = None) -> list[str]:
    """Short lines about the data of a run: source, images per split, classes, image size, and what was dropped.

    Args:
        record: the run.
        opened: its data, which knows the image size; the size is omitted if the data is missing.
    """
    data = record.folder.read_data()
    size = f"{_size(opened)} pixels" if isinstance(opened, OpenedRun) else ""
    lines = [
        ", ".join(filter(None, [data.source, _images(data), _classes(data), size])),
        *(f"Dropped or changed: {finding}" for finding in data.findings),
    ]
    unreadable = record.result.metrics.test.unreadable
    if unreadable:
        lines.append(f"Test images that could not be read: {len(unreadable)}, such as {unreadable[0]}")
    return lines


def _images(data: DataRecord) -> str:
    counts = [f"{count:,} {_SPLITS.get(split, split)}" for split, count in data.images.items()]
    return f"images: {', '.join(counts)}" if counts else ""


def _classes(data: DataRecord) -> str:
    count = len(data.classes)
    if count == 0:
        return ""
    if count <= _MOST_CLASSES:
        return f"{count} {'class' if count == 1 else 'classes'} ({', '.join(data.classes)})"
    return f"{count:,} classes"


def _size(opened: OpenedRun) -> str:
    image = opened.splits.image
    return f"{image.height}x{image.width}" + (f", {image.frames} frames," if image.frames > 1 else "")
