"""How image files become pixels."""

from __future__ import annotations

from dataclasses import dataclass

WHITE = (255, 255, 255)

MOST_PIXELS = 2**27
"""Decoding this many takes about 1 GB in every process that loads images: 4 bytes each in Pillow, 3 in the tensor."""


@dataclass(frozen=True)
class Decoding:
    """How image files are decoded.

    Args:
        channels: 3 for color, 1 for gray.
        bit_depth: how many bits of a 16-bit image are used.
        background: red, green and blue of the background of transparent images.
        most_pixels: larger images and masks are not decoded.
        least_side: JPEGs may be decoded at a half, a quarter or an eighth of their size as long as both sides keep this
            many pixels; None decodes at full size.
    """

    channels: int
    bit_depth: int = 16
    background: tuple[int, int, int] = WHITE
    most_pixels: int = MOST_PIXELS
    least_side: int | None = None
