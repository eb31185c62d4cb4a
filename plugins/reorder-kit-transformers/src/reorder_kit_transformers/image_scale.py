"""The scale of pixels that a checkpoint was trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reorder_kit.interfaces import PixelScale

_FILE = "preprocessor_config.json"


def caution_about_scale(source: str) -> str:
    """A sentence if the scale is not known: of a model on the hub, and of a folder without its file.

    Args:
        source: the value of ``pretrained``.
    """
    if not Path(source).is_absolute():
        return (
            f"pretrained: the scale of pixels that {source} expects is not read from the hub: compare image_mean and "
            f"image_std in its {_FILE} with data.mean and data.std"
        )
    if scale_of(source) is not None:
        return ""
    return (
        f"pretrained: the folder has no {_FILE} with image_mean and image_std, so the scale of pixels that the "
        "checkpoint expects is not known: check data.mean and data.std"
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
    mean, std = _numbers(values.get("image_mean")), _numbers(values.get("image_std"))
    if not values.get("do_normalize", True):
        mean, std = (0.0,), (1.0,)
    factor = values.get("rescale_factor", 1 / 255) if values.get("do_rescale", True) else 1
    if not (mean and len(mean) == len(std) and isinstance(factor, int | float) and factor > 0):
        return None
    # Theirs is of pixels times the factor, ours of pixels from 0 to 1.
    own = 255 * factor
    return PixelScale(tuple(value / own for value in mean), tuple(value / own for value in std))


def _numbers(value: Any) -> tuple[float, ...]:
    listed = value if isinstance(value, list) else [value]
    are_numbers = all(isinstance(each, int | float) for each in listed)
    return tuple(map(float, listed)) if are_numbers else ()
