"""16-bit images: reading all bits of their values, and converting them to 8 bits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageFile

_DEPTH = 16
_GRAY_AND_OPACITY = "LA;16B"
# Pillow's names for the two byte orders.
_SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


def has_16_bits(image: Image.Image) -> bool:
    """Whether the file's values are unsigned with 16 bits; call it before the image is loaded."""
    raw_modes = [_raw_mode(tile) for tile in getattr(image, "tile", ())]  # an image in memory has none
    return image.mode.startswith("I;16") or any(";16" in mode and not mode.endswith("S") for mode in raw_modes)


def scaled_from(image: ImageFile.ImageFile) -> int | None:
    """The largest value of a PGM, from which Pillow scales to 8 or 16 bits; None if values are as in the file.

    Call it before the image is loaded.
    """
    for tile in image.tile:
        if tile[0] in ("ppm", "ppm_plain") and isinstance(tile[3], tuple) and tile[3][1] not in (255, 65535):
            return int(tile[3][1])
    return None


def wide_values(image: Image.Image, reopened: Callable[[], ImageFile.ImageFile]) -> NDArray[Any]:
    """All values as stored in the file: (row, column), or (row, column, channel) for a color image.

    Args:
        image: the loaded image with 16 bits.
        reopened: opens the same image again, without loading it; called for color images.
    """
    if image.mode.startswith("I"):
        return np.asarray(image)
    with reopened() as again:
        if any(_raw_mode(tile) == _GRAY_AND_OPACITY for tile in again.tile):
            # Four bytes per pixel, like four channels.
            again.tile = [tile._replace(args="RGBA") for tile in again.tile]
            pairs = np.asarray(again).astype(np.uint16)
            gray, opacity = (pairs[..., first] << 8 | pairs[..., first + 1] for first in (0, 2))
            return np.stack([gray, gray, gray, opacity], axis=-1)
        # Pillow keeps the upper byte of colors. With swapped bytes, that is the lower byte.
        again.tile = [tile._replace(args=_with_swapped_bytes(tile)) for tile in again.tile]
        lower = np.asarray(again)
    upper = np.asarray(image).astype(np.uint16)
    joined: NDArray[Any] = upper << 8 | lower
    return joined


def in_8_bits(
    values: NDArray[Any], bit_depth: int, transparent: int | tuple[int, ...] | None
) -> UInt8[np.ndarray, "row column *channel"]:
    """The upper 8 of the used bits, as (row, column) or (row, column, channel).

    Args:
        values: the result of :func:`wide_values`; a fourth channel is opacity, which always uses all bits.
        bit_depth: how many bits the colors use.
        transparent: the value or the color of the transparent pixels, which becomes a last channel of opacity.

    Raises:
        ValueError: if a value needs more bits.
    """
    colors = values[..., :3] if values.ndim == 3 else values[..., None]
    highest = int(colors.max())
    if highest >> bit_depth:
        raise ValueError(
            f"a pixel has the value {highest:,}, which needs more than the {bit_depth} bits of data.bit_depth"
        )
    channels = [(colors >> (bit_depth - 8)).astype(np.uint8)]
    if values.ndim == 3 and values.shape[2] == 4:
        channels.append((values[..., 3:] >> (_DEPTH - 8)).astype(np.uint8))
    elif transparent is not None:
        is_opaque = (colors != np.array(transparent)).any(axis=-1, keepdims=True)
        channels.append(np.where(is_opaque, 255, 0).astype(np.uint8))
    joined: UInt8[np.ndarray, "row column channel"] = np.concatenate(channels, axis=-1)
    return joined[..., 0] if joined.shape[-1] == 1 else joined


def _raw_mode(tile: Any) -> str:
    args = tile[3]
    raw_mode = args[0] if isinstance(args, tuple) and args else args
    return raw_mode if isinstance(raw_mode, str) else ""


def _with_swapped_bytes(tile: Any) -> Any:
    name, _, order = _raw_mode(tile).partition(";")
    swapped = f"{name};{_SWAPPED[order]}"
    return (swapped, *tile[3][1:]) if isinstance(tile[3], tuple) else swapped
