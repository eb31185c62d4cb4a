"""Color or gray, and the scale of the values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reorder_kit.data.decoding import DecodingOptions
from reorder_kit.interfaces.numbers import Positive, Real
from reorder_kit.interfaces.pixel_scale import IMAGENET, PixelScale

Mean = Annotated[Real, Field(ge=-1_000, le=1_000)]


class ChannelOptions(DecodingOptions):
    """Color or gray, how files are decoded, and the scale of the values."""

    channels: Literal[3, 1] = Field(3, description="3: color; 1: gray")
    mean: tuple[Mean, ...] | None = Field(
        None, description="of each channel, from 0 to 1; default: ImageNet's, and for gray the average of its three"
    )
    std: tuple[Positive, ...] | None = Field(
        None, description="of each channel, from 0 to 1; default: ImageNet's, and for gray the average of its three"
    )

    @model_validator(mode="after")
    def _one_number_for_each_channel(self) -> ChannelOptions:
        for field, numbers in (("mean", self.mean), ("std", self.std)):
            if numbers is not None and len(numbers) != self.channels:
                raise ValueError(f"{field} has {len(numbers)} numbers for {self.channels} channels")
        return self

    @property
    def scale(self) -> PixelScale:
        """The given scale, or ImageNet's."""
        usual = IMAGENET.of_channels(self.channels)
        return PixelScale(self.mean or usual.mean, self.std or usual.std)
