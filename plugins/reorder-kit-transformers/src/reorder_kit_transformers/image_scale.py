"""The scale of pixels that a checkpoint was trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reorder_kit.data.channel_options import IMAGENET_MEAN, IMAGENET_STD

_FILE = "preprocessor_config.json"


def caution_about_scale(source: str, channels: int) -> str:
    """A sentence if the images may need a scale other than ImageNet's, the default of data sources; or nothing.

    Args:
        source: the folder of a checkpoint, or a model on the hub, whose scale is not read.
        channels: of the images.
    """
    if not Path(source).is_absolute():
        return (
            f"pretrained: the scale of pixels that {source} expects is not read from the hub: compare image_mean and "
            f"image_std in its {_FILE} with yours, in image-folder data: {{mean: [...], std: [...]}}"
        )
    try:
        values = json.loads((Path(source) / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no such file, or not JSON
        return ""
    if not isinstance(values, dict):
        return ""
    is_scaled = values.get("do_normalize", True)
    mean = _numbers(values.get("image_mean"), channels) if is_scaled else [0.0] * channels
    std = _numbers(values.get("image_std"), channels) if is_scaled else [1.0] * channels
    if mean is None or std is None or (tuple(mean), tuple(std)) == (IMAGENET_MEAN, IMAGENET_STD):
        return ""
    return (
        "pretrained: the checkpoint was trained on pixels of another scale than ImageNet's: check that yours have it, "
        f"in image-folder by data: {{mean: {mean}, std: {std}}}"
    )


def _numbers(value: Any, channels: int) -> list[float] | None:
    is_list = isinstance(value, list) and len(value) == channels
    return [float(each) for each in value] if is_list and all(isinstance(each, int | float) for each in value) else None
