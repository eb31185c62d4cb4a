"""The size of an image without decoding it."""

from __future__ import annotations

import warnings
from typing import BinaryIO

from PIL import ExifTags, Image

from reorder_kit.data.heif import reads_heif
from reorder_kit.data.whole_numbers import Size

_LYING = (5, 6, 7, 8)


def header_sizes(file: str | BinaryIO) -> tuple[Size, Size] | None:
    """Height and width in pixels, as stored and after turning upright by EXIF; None if they cannot be read.

    Args:
        file: the path of the image, or an open file.
    """
    reads_heif()
    try:
        with warnings.catch_warnings():
            # Pillow warns about very large images, which are not decoded here.
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                # Not the PNG method, which decodes the image to find EXIF data after the pixels.
                orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
                stored = (image.height, image.width)
    except Exception:  # decoders raise anything; reading the image reports it
        return None
    return stored, (stored[1], stored[0]) if orientation in _LYING else stored
