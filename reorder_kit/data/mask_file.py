"""Masks in image files: from the values of pixels to numbers of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from reorder_kit.data.annotated import ImageFile, RawSample
from reorder_kit.data.decoded_cache import file_key, key_of
from reorder_kit.data.image_file import open_picture, read_image
from reorder_kit.interfaces import IGNORED, Unreadable

# Endings of files that keep every value; JPEG does not.
MASK_EXTENSIONS = (".png", ".tif", ".tiff", ".bmp", ".pgm")
# Of a file with 16 bits.
LARGEST_VALUE = 65535
_UNKNOWN = -1
_LISTED = 8


class Legend(Protocol):
    """What the values of the pixels stand for."""

    def numbers(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """The number of each pixel's class, or IGNORED; a byte each, since images in memory are many.

        Raises:
            ValueError: if a value stands for nothing.
        """
        ...


class ValueLegend:
    """A value for each class, and values to ignore.

    Args:
        values: of each class, from 0 on.
        ignored: values of pixels that nothing is learned from.
    """

    def __init__(self, values: Sequence[int], ignored: Sequence[int]) -> None:
        self._values, self._ignored = values, ignored
        self._numbers = np.full(max(*values, *ignored, 0) + 1, _UNKNOWN, dtype=np.int16)
        self._numbers[list(values)] = np.arange(len(values))
        self._numbers[list(ignored)] = IGNORED

    def numbers(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """As :class:`Legend` says."""
        if not pixels.size or (pixels.min() >= 0 and pixels.max() < len(self._numbers)):
            numbers = np.take(self._numbers, pixels)
            if not pixels.size or numbers.min() > _UNKNOWN:
                return numbers.astype(np.uint8)
        is_known = np.isin(pixels, np.flatnonzero(self._numbers > _UNKNOWN))
        raise ValueError(f"pixels of the value {pixels[~is_known].min()}, which is no class: {self}")

    def __str__(self) -> str:
        more = ", ..." if len(self._values) > _LISTED else ""
        classes = ", ".join(map(str, self._values[:_LISTED])) + more
        ignored = ", ".join(map(str, self._ignored)) or "none"
        return f"classes have {classes}; ignored: {ignored}"


class InstanceLegend:
    """Objects are numbered from 1 on, and 0 is background: two classes."""

    def numbers(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """As :class:`Legend` says."""
        return (pixels > 0).astype(np.uint8)


@dataclass(frozen=True)
class MaskedFile(ImageFile):
    """An image file whose target is a mask in another file.

    Args:
        path: the image.
        channels: 3 for colour, 1 for grey.
        mask: its mask.
        legend: what the values of the mask stand for.
    """

    mask: str
    legend: Legend

    def decoding_key(self) -> bytes:
        """Of both files, how they are decoded, and what the values of the mask stand for."""
        return key_of(super().decoding_key(), file_key(self.mask))

    def read(self) -> RawSample | Unreadable:
        """Decode both."""
        image = read_image(self.path, self.channels)
        if isinstance(image, Unreadable):
            return image
        try:
            numbers = self.legend.numbers(read_values(self.mask))
        except Exception as error:  # decoders raise whatever they like, from SyntaxError to struct.error
            return Unreadable(self.mask, f"{type(error).__name__}: {error}")
        if numbers.shape != image.shape[-2:]:
            (height, width), (mask_height, mask_width) = image.shape[-2:], numbers.shape
            return Unreadable(self.mask, f"{mask_height}x{mask_width} pixels, its image {height}x{width}")
        return RawSample(image, torch.from_numpy(numbers))


def read_values(file: str | BinaryIO) -> NDArray[Any]:
    """The values as they stand in a file: numbers of a palette, not its colours, and all of 16 bits.

    Args:
        file: its path, or an open file.

    Raises:
        Exception: what decoders like, from SyntaxError to struct.error; ValueError if there are several channels.
    """
    with open_picture(file) as image:
        image.load()
        if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
            raise ValueError(f"a mask has one channel of whole numbers; these are of mode {image.mode}")
        values = np.asarray(image)
        return values.astype(np.uint8) if values.dtype == np.bool_ else values
