"""Convert a user's image to pixels that can be shown below an order."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageOps

from reorder_kit.errors import ReorderKitError, quoted
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.patches import tiles

Picture = Float[NDArray[np.float64], "frame height width 3"]
"""Colors from 0 to 1, one image for each frame."""

_CHANNELS = (1, 3, 4)
_PLAIN_MODES = ("1", "L", "RGB", "RGBA", "F", "I", "I;16")
"""Modes of PIL images whose values are gray, or red, green and blue."""
EXPECTED = "give one image: a tensor (channel, height, width), an array (height, width, channel), or a PIL image"


def picture_of(image: Any, grid: Grid) -> Picture:
    """The colors of an image or clip.

    Whole numbers are colors from 0 to 255. If floats are not from 0 to 1, as in a normalized image, the smallest
    becomes black and the largest white. A fourth channel is dropped.

    Args:
        image: a PIL image; a tensor or array ``(channel, height, width)``, ``(height, width, channel)`` or
            ``(height, width)``; for a clip ``(channel, frame, height, width)`` or ``(frame, channel, height, width)``.
            A batch of one is also accepted.
        grid: the grid that cuts it into patches.

    Raises:
        ReorderKitError: if it is none of these, or the grid does not divide it into patches.
    """
    values = _array(image)
    clip = _clip(values, grid.frames)
    tiles(torch.empty(1, 1, *clip.shape[:3]), grid)  # refuses images that the grid does not divide
    colours = clip if clip.shape[-1] != 4 else clip[..., :3]
    picture: Picture = np.broadcast_to(_unit(colours), (*colours.shape[:3], 3))
    return picture


def _array(image: Any) -> NDArray[Any]:
    if isinstance(image, str | PathLike):
        raise ReorderKitError(
            f"expected an image, got the path {quoted(str(image))}", "open the file first: PIL.Image.open(path)"
        )
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        image = image.float() if image.is_floating_point() else image
    elif isinstance(image, Image.Image):
        image = ImageOps.exif_transpose(image)  # upright, as models see it
        image = image if image.mode in _PLAIN_MODES else image.convert("RGB")
    try:
        values = np.asarray(image)
    except (TypeError, ValueError) as error:
        raise ReorderKitError(f"this is not an image: {error}", EXPECTED) from None
    if values.dtype.kind not in "buif" or values.size == 0:
        raise ReorderKitError(f"expected an image, got a {type(image).__name__} of shape {values.shape}", EXPECTED)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ReorderKitError("the image holds NaN or infinity", EXPECTED)
    return values


def _clip(values: NDArray[Any], frames: int) -> NDArray[Any]:
    """As ``(frame, height, width, channel)``."""
    wanted = 3 if frames == 1 else 4
    shape = values.shape
    if values.ndim == wanted + 1:
        if len(values) != 1:
            raise ReorderKitError(f"{len(values)} images, of shape {shape}, cannot be drawn at once", EXPECTED)
        values = values[0]
    if frames == 1 and values.ndim == 2:
        return values[None, :, :, None]
    if values.ndim == wanted and frames == 1:
        if values.shape[0] in _CHANNELS:
            return values.transpose(1, 2, 0)[None]
        if values.shape[2] in _CHANNELS:
            return values[None]
    elif values.ndim == wanted:
        if values.shape[1] == frames and values.shape[0] in _CHANNELS:
            return values.transpose(1, 2, 3, 0)
        if values.shape[0] == frames and values.shape[1] in _CHANNELS:
            return values.transpose(0, 2, 3, 1)
        if values.shape[0] == frames and values.shape[3] in _CHANNELS:
            return values
    what = "one image" if frames == 1 else f"a clip of {frames} frames"
    raise ReorderKitError(f"values of shape {shape} are not {what}", EXPECTED)


def _unit(values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype.kind in "ui":
        return np.clip(values / (65535.0 if values.dtype == np.uint16 else 255.0), 0.0, 1.0)
    colours = values.astype(np.float64)
    low, high = colours.min(), colours.max()
    if low >= 0 and high <= 1:
        return colours
    return (colours - low) / (high - low) if high > low else np.full_like(colours, 0.5)
