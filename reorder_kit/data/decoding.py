"""How image files become pixels: the options, and what is handed to the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from reorder_kit.interfaces import ComponentOptions
from reorder_kit.interfaces.numbers import Count, Whole

WHITE = (255, 255, 255)

MOST_PIXELS = 2**27
"""Decoding so many takes about 1 GB in every process that loads images: 4 bytes each in Pillow, and 3 in the tensor."""

Byte = Annotated[Whole, Field(ge=0, le=255)]


@dataclass(frozen=True)
class Decoding:
    """How image files are decoded.

    Args:
        channels: 3 for color, 1 for gray.
        bit_depth: how many of the 16 bits of a 16-bit image are used.
        background: red, green and blue of what transparent images are laid on.
        most_pixels: larger images and masks are not decoded.
        least_side: JPEGs may be decoded at a half, a quarter or an eighth of their size as long as both sides keep so
            many pixels; None decodes all of it.
    """

    channels: int
    bit_depth: int = 16
    background: tuple[int, int, int] = WHITE
    most_pixels: int = MOST_PIXELS
    least_side: int | None = None


class DecodingOptions(ComponentOptions):
    """Options of every source that decodes image files."""

    bit_depth: Whole | None = Field(
        None,
        ge=8,
        le=16,
        description="bits that 16-bit images use, the same for all: 12 where white is 4095; not given: 16, and a "
        "finding tells if the training images looked at use no more than 12",
    )
    background: tuple[Byte, Byte, Byte] = Field(
        WHITE, description="red, green and blue, from 0 to 255, of what transparent images are laid on"
    )
    most_pixels: Count = Field(
        MOST_PIXELS, description="images and masks of more pixels are not decoded, and count as unreadable"
    )

    def decoding(self, channels: int) -> Decoding:
        """What is handed to the decoder.

        Args:
            channels: 3 for color, 1 for gray.
        """
        return Decoding(channels, self.bit_depth or 16, self.background, self.most_pixels)
