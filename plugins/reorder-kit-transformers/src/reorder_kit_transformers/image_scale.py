"""The scale of pixels that a checkpoint was trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reorder_kit.interfaces import PixelScale

_FILE = "preprocessor_config.json"


def caution_about_scale(source: str) -> str:
    """A sentence for a model on the hub, whose scale is not read; nothing for the folder of a checkpoint."""
    if Path(source).is_absolute():
        return ""
    return (
        f"pretrained: the scale of pixels that {source} expects is not read from the hub: compare image_mean and "
        f"image_std in its {_FILE} with yours, in image-folder data: {{mean: [...], std: [...]}}"
    )


def scale_of(source: str) -> PixelScale | None:
    """What the folder of a checkpoint says of it; None if it says nothing, or this is a model on the hub.

    Args:
        source: the value of ``pretrained``.
    """
    try:
        values = json.loads((Path(source) / _FILE).read_text(encoding="utf-8")) if Path(source).is_absolute() else None
    except (OSError, ValueError):  # no such file, or not JSON
        return None
    if not isinstance(values, dict):
        return None
    if not values.get("do_normalize", True):
        return PixelScale((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    mean, std = _numbers(values.get("image_mean")), _numbers(values.get("image_std"))
    return PixelScale(mean, std) if mean and std and len(mean) == len(std) else None


def _numbers(value: Any) -> tuple[float, ...]:
    is_list = isinstance(value, list) and all(isinstance(each, int | float) for each in value)
    return tuple(map(float, value)) if is_list else ()
