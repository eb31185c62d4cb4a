"""The shape of the images that a model is built for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageShape:
    """The shape of an image, in pixels, or of a clip of several frames.

    Args:
        channels: number of values per pixel.
        height: rows of pixels.
        width: columns of pixels.
        frames: number of frames of a clip; 1 for images.

    >>> str(ImageShape(3, 32, 48)), str(ImageShape(3, 32, 48, frames=8))
    ('3x32x48', '3x8x32x48')
    """

    channels: int
    height: int
    width: int
    frames: int = 1

    @property
    def axes(self) -> tuple[int, ...]:
        """The shape of a sample's tensor: (channel, height, width), or (channel, frame, height, width) for a clip."""
        frames = () if self.frames == 1 else (self.frames,)
        return (self.channels, *frames, self.height, self.width)

    def __str__(self) -> str:
        return "x".join(map(str, self.axes))
