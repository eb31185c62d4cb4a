"""The options for decoding image files into pixels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reorder_kit.interfaces import ComponentOptions
from reorder_kit.interfaces.decoding import MOST_PIXELS as MOST_PIXELS
from reorder_kit.interfaces.decoding import WHITE
from reorder_kit.interfaces.decoding import Decoding as Decoding  # sources take it from here
from reorder_kit.interfaces.numbers import Count, Whole

Byte = Annotated[Whole, Field(ge=0, le=255)]


class DecodingOptions(ComponentOptions):
    """Options of every source that decodes image files."""

    bit_depth: Whole | None = Field(
        None,
        ge=8,
        le=16,
        description="bits that 16-bit images use, the same for all: 12 if white is 4095; default: 16, with a finding "
        "if the sampled training images use at most 12",
    )
    background: tuple[Byte, Byte, Byte] = Field(
        WHITE, description="red, green and blue, from 0 to 255, of the background behind transparent images"
    )
    most_pixels: Count = Field(
        MOST_PIXELS, description="images and masks with more pixels are not decoded and count as unreadable"
    )

    def decoding(self, channels: int) -> Decoding:
        """The settings for the decoder.

        Args:
            channels: 3 for color, 1 for gray.
        """
        return Decoding(channels, self.bit_depth or 16, self.background, self.most_pixels)
