"""Masks in image files: from pixel values to class numbers."""

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

# Extensions of lossless formats; JPEG changes values.
MASK_EXTENSIONS = (".png", ".tif", ".tiff", ".bmp", ".pgm")
# The largest value in a 16-bit file.
LARGEST_VALUE = 65535
_UNKNOWN = -1
_FULL = 255
_LISTED = 8


class Legend(Protocol):
    """The meaning of pixel values."""

    @property
    def one_bit_value(self) -> int:
        """The value of a 1 in a 1-bit mask: 255 if 255 is a class and 1 is not, because programs save 0 and 255 so."""
        ...

    def numbers(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """The number of each pixel's class, or IGNORED; one byte each, because many images may be in memory.

        Raises:
            ValueError: if a value has no meaning.
        """
        ...


class ValueLegend:
    """A value for each class, and values to ignore.

    Args:
        values: the value of each class, by class number.
        ignored: values of pixels that are ignored in training and metrics.
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
        raise ValueError(f"pixels have the value {pixels[~is_known].min()}, which is not a class: {self}")

    def __str__(self) -> str:
        more = ", ..." if len(self._values) > _LISTED else ""
        classes = ", ".join(map(str, self._values[:_LISTED])) + more
        ignored = ", ".join(map(str, self._ignored)) or "none"
        return f"the classes are {classes}; ignored: {ignored}"


class InstanceLegend:
    """Two classes: objects, numbered from 1, and background, 0."""

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
        legend: the meaning of the mask's values.
    """

    mask: str
    legend: Legend

    def decoding_key(self) -> bytes:
        """The key of both files, their decoding, and the meaning of the mask's values."""
        return key_of(super().decoding_key(), file_key(self.mask))

    def read(self) -> RawSample | Unreadable:
        """Decode both, and turn the mask with the image if it was made on the stored pixels."""
        picture = read_image(self.path, self.decoding)
        if isinstance(picture, Unreadable):
            return picture
        findings = Findings(picture.findings)
        try:
            mask = read_mask(
                self.mask, self.legend, self.decoding.most_pixels, picture.turn, "stored", findings.noting(self.mask)
            )
        except Exception as error:  # decoders raise anything from SyntaxError to struct.error
            return Unreadable(self.mask, f"{type(error).__name__}: {error}")
        if mask.shape != picture.pixels.shape[-2:]:
            (height, width), (mask_height, mask_width) = picture.pixels.shape[-2:], mask.shape
            return Unreadable(self.mask, f"it has {mask_height}x{mask_width} pixels, but its image {height}x{width}")
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

    Values are used as stored: palette indices instead of colors, and all 16 bits. A mask with its own EXIF orientation
    is turned by that; any other mask is turned like boxes, with its size as the annotated size.

    Args:
        file: the path of the mask, or an open file.
        legend: the meaning of its values.
        most_pixels: a larger mask is refused.
        turn: the turn of the image.
        usual: the pixels that the source's masks are usually made on, if their size does not tell.
        note: called with a finding about what is turned, converted or guessed.

    Raises:
        Exception: whatever decoders raise, from SyntaxError to struct.error; ValueError if the mask has several
            channels, or values without a meaning.
    """
    with open_picture(file, most_pixels) as image:
        _refuse_scaled(image)
        own_turn, is_turned = load_picture(image, note)
        values = _stored_values(image, legend, note)
    numbers = torch.from_numpy(legend.numbers(values))
    if own_turn.orientation != 1:
        note("masks are turned upright according to their own EXIF orientation")
        return numbers if is_turned else own_turn.pixels(numbers)
    height, width = numbers.shape
    return turn.pixels(numbers) if turn.turns((height, width), usual, note) else numbers


def read_values(file: str | BinaryIO, legend: Legend, most_pixels: int) -> NDArray[Any]:
    """The values of a mask as passed to the legend, as stored, without turning.

    Args:
        file: the path of the mask, or an open file.
        legend: the meaning of its values.
        most_pixels: a larger mask is refused.

    Raises:
        Exception: as in :func:`read_mask`.
    """
    with open_picture(file, most_pixels) as image:
        _refuse_scaled(image)
        load_picture(image, _ignore)
        return _stored_values(image, legend, _ignore)


def _refuse_scaled(image: PillowFile) -> None:
    if (largest := scaled_from(image)) is not None:
        raise ValueError(f"a PGM with the largest value {largest} is rescaled when it is read; save the mask as PNG")


def _stored_values(image: Image.Image, legend: Legend, note: Callable[[str], None]) -> NDArray[Any]:
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise ValueError(f"a mask must have one channel of whole numbers; this image has the mode {image.mode}")
    values = np.asarray(image)
    if values.dtype != np.bool_:
        return values
    if legend.one_bit_value != 1:
        note(f"masks with 1 bit have 0 and 1; 1 is read as {legend.one_bit_value}")
    return values.astype(np.uint8) * np.uint8(legend.one_bit_value)


def _ignore(what: str) -> None:
    """Drop findings of a look before training; reading the image reports them."""
