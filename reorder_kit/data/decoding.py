"""The options that say how image files become pixels."""

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
