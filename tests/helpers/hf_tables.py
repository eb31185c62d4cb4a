"""Small data sets of Hugging Face, saved to a folder."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reorder_kit.data_sources.hf import HuggingFace
from reorder_kit.interfaces import (
    CLASS,
    DataSplits,
    SampleSet,
    TargetKind,
)

datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")


def encoded(pixels: np.ndarray) -> dict[str, Any]:
    Image.fromarray(pixels).save(file := BytesIO(), "PNG")
    return {"bytes": file.getvalue(), "path": None}


def grey(value: int, size: tuple[int, int] = (8, 8)) -> dict[str, Any]:
    """One plain color, by which the tests know the image again."""
    return encoded(np.full((*size, 3), value, dtype=np.uint8))


def table(columns: dict[str, Any], images: Sequence[Any] | None = None, **features: Any) -> Any:
    """A split whose images have the colors 1, 2, ..."""
    count = len(next(iter(columns.values())))
    images = [grey(number + 1) for number in range(count)] if images is None else images
    made = datasets.Dataset.from_dict({"image": images, **columns})
    for name, feature in {"image": datasets.Image(), **features}.items():
        made = made.cast_column(name, feature)
    return made


def save(folder: Path, **splits: Any) -> Path:
    datasets.DatasetDict(splits).save_to_disk(folder)
    return folder


def open_saved(folder: Path, kind: TargetKind = CLASS, **options: Any) -> DataSplits:
    plain = {"image_size": 8, "train_transforms": [], "mean": (0,) * 3, "std": (1 / 255,) * 3}
    return HuggingFace(HuggingFace.Options(dataset=folder, **{**plain, **options}), kind).open(seed=0)


def content(samples: SampleSet) -> list[tuple[int, Any]]:
    """(color, target) of every image."""
    return [
        (round(image[0, 0, 0].item()), target) for image, target, *_ in map(samples.__getitem__, range(len(samples)))
    ]


CAT_OR_DOG = datasets.ClassLabel(names=["dog", "cat"])
