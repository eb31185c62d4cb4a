"""The size of an image without decoding it."""

from __future__ import annotations

import warnings
from typing import BinaryIO

from PIL import ExifTags, Image

from reorder_kit.data.heif import reads_heif
from reorder_kit.data.whole_numbers import Size

_LYING = (5, 6, 7, 8)


def header_sizes(file: str | BinaryIO) -> tuple[Size, Size] | None:
    """Height and width, pixels, as stored and as turned upright by an EXIF orientation; None if they cannot be read.

    Args:
        file: its path, or an open file.
    """
    reads_heif()
    try:
        with warnings.catch_warnings():
            # Pillow warns of many pixels, which are not decoded here.
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                # Not the method of PNG files, which decodes them to look for what comes after the pixels.
                orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
                stored = (image.height, image.width)
    except Exception:  # decoders raise whatever they like; reading the image will tell
        return None
    return stored, (stored[1], stored[0]) if orientation in _LYING else stored
