"""Color or gray, and the scale of the values."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reorder_kit.data.decoding import DecodingOptions
from reorder_kit.data.scale_options import ScaleOptions
from reorder_kit.interfaces.pixel_scale import IMAGENET, PixelScale


class ChannelOptions(ScaleOptions, DecodingOptions):
    """Color or gray, how files are decoded, and the scale of the values."""

    channels: Literal[3, 1] = Field(3, description="3: color; 1: gray")

    @property
    def usual_scale(self) -> PixelScale:
        """ImageNet's, and for gray the average of its three."""
        return IMAGENET.of_channels(self.channels)
