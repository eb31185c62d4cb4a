"""The scale of the values of pixels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from reorder_kit.interfaces import ComponentOptions
from reorder_kit.interfaces.numbers import Positive, Real
from reorder_kit.interfaces.pixel_scale import IMAGENET, PixelScale

_DEFAULT = "from 0 to 1; default: that of the data set, or else of ImageNet, and for gray the average of its three"
Mean = Annotated[Real, Field(ge=-1_000, le=1_000)]


class ScaleOptions(ComponentOptions):
    """The scale of the values of pixels."""

    mean: tuple[Mean, ...] | None = Field(
        None,
        description=f"of each channel, {_DEFAULT}",
    )
    std: tuple[Positive, ...] | None = Field(
        None,
        description=f"of each channel, {_DEFAULT}",
    )

    @property
    def usual_scale(self) -> PixelScale:
        """The scale if none is given: ImageNet's."""
        return IMAGENET

    @property
    def scale(self) -> PixelScale:
        """The given scale, or the usual one."""
        usual = self.usual_scale
        return PixelScale(self.mean or usual.mean, self.std or usual.std)

    @model_validator(mode="after")
    def _one_number_for_each_channel(self) -> ScaleOptions:
        channels = len(self.usual_scale.mean)
        for field, numbers in (("mean", self.mean), ("std", self.std)):
            if numbers is not None and len(numbers) != channels:
                raise ValueError(f"{field} has {len(numbers)} numbers for {channels} channels")
        return self
