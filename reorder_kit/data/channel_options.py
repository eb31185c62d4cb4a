"""Color or gray, and the scale of the values."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from reorder_kit.data.decoding import DecodingOptions
from reorder_kit.interfaces.numbers import Positive, Real

Mean = Annotated[Real, Field(ge=-1_000, le=1_000)]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Scale(NamedTuple):
    """What is subtracted from the values of each channel, on the scale from 0 to 1, and what they are divided by."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


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
    def scale(self) -> Scale:
        """The given scale, or ImageNet's."""
        return Scale(self._of_channels(self.mean, IMAGENET_MEAN), self._of_channels(self.std, IMAGENET_STD))

    def _of_channels(self, given: tuple[float, ...] | None, color: tuple[float, ...]) -> tuple[float, ...]:
        if given is not None:
            return given
        return color if self.channels == len(color) else (sum(color) / len(color),)
