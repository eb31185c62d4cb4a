"""Masks in image files: from the values of pixels to numbers of classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile as PillowFile
from torch import Tensor

from reorder_kit.data.annotated import ImageFile, RawSample
from reorder_kit.data.decoded_cache import file_key, key_of
from reorder_kit.data.exif_orientation import Frame, Turn
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import load_picture, open_picture, read_image
from reorder_kit.data.sixteen_bits import scaled_from
from reorder_kit.interfaces import IGNORED, Unreadable

# Endings of files that keep every value; JPEG does not.
MASK_EXTENSIONS = (".png", ".tif", ".tiff", ".bmp", ".pgm")
# Of a file with 16 bits.
LARGEST_VALUE = 65535
_UNKNOWN = -1
_FULL = 255
_LISTED = 8


class Legend(Protocol):
    """What the values of the pixels stand for."""

    @property
    def one_bit_value(self) -> int:
        """What 1 in a mask of 1 bit is: 255 if that is a class and 1 is nothing, as programs save 0 and 255 so."""
        ...

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

    @property
    def one_bit_value(self) -> int:
        """As :class:`Legend` says."""
        return _FULL if _FULL in self._values and 1 not in (*self._values, *self._ignored) else 1

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

    one_bit_value = 1

    def numbers(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """As :class:`Legend` says."""
        return (pixels > 0).astype(np.uint8)


@dataclass(frozen=True)
class MaskedFile(ImageFile):
    """An image file whose target is a mask in another file.

    Args:
        path: the image.
        decoding: how it is decoded, and how many pixels its mask may have.
        mask: its mask.
        legend: what the values of the mask stand for.
    """

    mask: str
    legend: Legend

    def decoding_key(self) -> bytes:
        """Of both files, how they are decoded, and what the values of the mask stand for."""
        return key_of(super().decoding_key(), file_key(self.mask))

    def read(self) -> RawSample | Unreadable:
        """Decode both, and turn the mask with the image where it was made on the stored pixels."""
        picture = read_image(self.path, self.decoding)
        if isinstance(picture, Unreadable):
            return picture
        findings = Findings(picture.findings)
        try:
            mask = read_mask(
                self.mask, self.legend, self.decoding.most_pixels, picture.turn, "stored", findings.noting(self.mask)
            )
        except Exception as error:  # decoders raise whatever they like, from SyntaxError to struct.error
            return Unreadable(self.mask, f"{type(error).__name__}: {error}")
        if mask.shape != picture.pixels.shape[-2:]:
            (height, width), (mask_height, mask_width) = picture.pixels.shape[-2:], mask.shape
            return Unreadable(self.mask, f"{mask_height}x{mask_width} pixels, its image {height}x{width}")
        return RawSample(picture.pixels, mask, findings.found)

    def mask_values(self) -> NDArray[Any] | Unreadable:
        """The values of the mask, without the image."""
        try:
            return read_values(self.mask, self.legend, self.decoding.most_pixels)
        except Exception as error:  # as above
            return Unreadable(self.mask, f"{type(error).__name__}: {error}")


def read_mask(
    file: str | BinaryIO,
    legend: Legend,
    most_pixels: int,
    turn: Turn,
    usual: Frame,
    note: Callable[[str], None],
) -> UInt8[Tensor, "height width"]:
    """The number of each pixel's class, upright.

    The values count as they stand in the file: numbers of a palette, not its colors, and all of 16 bits. A mask with an
    EXIF orientation of its own is turned by that; any other is turned as boxes are, its size being the annotated one.

    Args:
        file: its path, or an open file.
        legend: what the values stand for.
        most_pixels: a larger mask is refused.
        turn: of the image.
        usual: what masks of the source are made on where their size does not tell.
        note: called with what is turned, converted or guessed.

    Raises:
        Exception: what decoders like, from SyntaxError to struct.error; ValueError if there are several channels, or
            values that stand for nothing.
    """
    with open_picture(file, most_pixels) as image:
        _refuse_scaled(image)
        own_turn, is_turned = load_picture(image, note)
        values = _stored_values(image, legend, note)
    numbers = torch.from_numpy(legend.numbers(values))
    if own_turn.orientation != 1:
        note("masks are turned upright by their own EXIF orientation")
        return numbers if is_turned else own_turn.pixels(numbers)
    height, width = numbers.shape
    return turn.pixels(numbers) if turn.turns((height, width), usual, note) else numbers


def read_values(file: str | BinaryIO, legend: Legend, most_pixels: int) -> NDArray[Any]:
    """The values of a mask as the legend is asked for them, whichever way it is turned.

    Args:
        file: its path, or an open file.
        legend: what the values stand for.
        most_pixels: a larger mask is refused.

    Raises:
        Exception: as :func:`read_mask`.
    """
    with open_picture(file, most_pixels) as image:
        _refuse_scaled(image)
        load_picture(image, _tell_nobody)
        return _stored_values(image, legend, _tell_nobody)


def _refuse_scaled(image: PillowFile) -> None:
    if (largest := scaled_from(image)) is not None:
        raise ValueError(f"a PGM whose largest value is {largest} is not read as it is; save the mask as PNG")


def _stored_values(image: Image.Image, legend: Legend, note: Callable[[str], None]) -> NDArray[Any]:
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise ValueError(f"a mask has one channel of whole numbers; these are of mode {image.mode}")
    values = np.asarray(image)
    if values.dtype != np.bool_:
        return values
    if legend.one_bit_value != 1:
        note(f"masks of 1 bit have 0 and 1, of which 1 is taken as {legend.one_bit_value}")
    return values.astype(np.uint8) * np.uint8(legend.one_bit_value)


def _tell_nobody(what: str) -> None:
    """Of a look before training; the reading of the image will tell."""
