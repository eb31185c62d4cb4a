"""Read an image file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import BinaryIO, TypeVar

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Unreadable

Decoded = TypeVar("Decoded")

# A variable of its module; threads shall not see each other's.
_PILLOWS_LIMIT = Lock()

MOST_PIXELS = 2**28
"""Larger images are not decoded: their colours alone would take more than 0.8 GB."""

TRIED = 1_000
"""So many training images are looked at, at the most, for one that can be read."""


def read_image(path: str, channels: int) -> UInt8[Tensor, "channel height width"] | Unreadable:
    """Decode the whole file as :func:`decode_image` does.

    Args:
        path: the file.
        channels: 3 for colour, 1 for grey.
    """
    return decode_image(path, path, channels)


def decode_image(file: str | BinaryIO, name: str, channels: int) -> UInt8[Tensor, "channel height width"] | Unreadable:
    """Decode an image. Transparency is dropped, 16 bits are brought to 8.

    An EXIF orientation is ignored, as by torchvision's ImageFolder.

    Args:
        file: its path, or an open file.
        name: how to call the image where it cannot be read.
        channels: 3 for colour, 1 for grey.
    """
    # Imported on first use: torchvision takes seconds.
    from torchvision.transforms.v2 import functional as F

    try:
        with open_picture(file) as image:
            image.load()
            decoded = to_8_bit(image).convert("RGB" if channels == 3 else "L")
    except Exception as error:  # decoders raise whatever they like, from SyntaxError to struct.error
        return Unreadable(name, f"{type(error).__name__}: {error}")
    tensor: Tensor = F.pil_to_tensor(decoded)
    return tensor


def open_picture(file: str | BinaryIO) -> Image.Image:
    """Open an image file as Pillow does, which decodes it later; one with many pixels is decoded at once.

    Pillow itself warns from 89 million pixels on, and refuses what has twice as many; images of satellites have more.
    Of a compressed TIFF it does so when it is decoded, too.

    Args:
        file: its path, or an open file.

    Raises:
        ValueError: if it has more than :data:`MOST_PIXELS` pixels.
        Exception: what decoders like, from SyntaxError to struct.error.
    """
    with _pillows_limit_lifted() as usual:
        image = Image.open(file)
    if image.width * image.height > MOST_PIXELS:
        size = f"{image.height}x{image.width}"
        image.close()
        raise ValueError(
            f"of {size} pixels, more than the {MOST_PIXELS:,} that are decoded; cut it into several images"
        )
    if usual is not None and image.width * image.height > usual:
        with _pillows_limit_lifted():
            image.load()
    return image


@contextmanager
def _pillows_limit_lifted() -> Iterator[int | None]:
    """While it lasts, Pillow has no limit; gives the usual one, pixels."""
    with _PILLOWS_LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield limit
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def first_readable(images: int, read: Callable[[int], Decoded | Unreadable]) -> Decoded:
    """The first training image that can be read; no more than :data:`TRIED` are tried.

    Args:
        images: how many there are.
        read: reads one by its number.

    Raises:
        ReorderKitError: if none of those that were tried can be read.
    """
    first = None
    for number in range(min(images, TRIED)):
        image = read(number)
        if not isinstance(image, Unreadable):
            return image
        first = first or image
    if first is None:
        raise ReorderKitError("data: there is no training image")
    which = "no training image" if images <= TRIED else f"none of the first {TRIED} training images"
    raise ReorderKitError(f"data: {which} can be used, {first.path} to begin with: {first.reason}")


def to_8_bit(image: Image.Image) -> Image.Image:
    """Bring 16 bits to 8, and a palette with transparent colours to one without.

    Raises:
        ValueError: if the pixels have no fixed scale.
    """
    if image.mode.startswith("I;16"):
        # Pillow itself would cut off everything above 255.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no fixed scale; save the image with 8 or 16 bits")
    if "transparency" in image.info:
        # The way by RGBA, since transparent palettes cannot go straight to RGB.
        return image.convert("RGBA")
    return image
