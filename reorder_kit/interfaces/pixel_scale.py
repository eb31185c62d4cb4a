"""The scale of pixels: what data sources give, and what weights were trained with."""

from __future__ import annotations

from typing import NamedTuple, Self

_TOLERANCE = 0.1  # of a standard deviation: less than random changes of brightness and contrast in training


class PixelScale(NamedTuple):
    """The scale of pixels, channel by channel.

    Args:
        mean: what is subtracted from values from 0 to 1.
        std: what the differences are divided by.

    >>> print(PixelScale((0.5, 0.5, 0.5), (1.0, 1.0, 1.0)))
    mean: [0.5, 0.5, 0.5], std: [1, 1, 1]
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def of_channels(self, channels: int) -> Self:
        """The same for another number of channels: the average for gray, and that of gray for every color."""
        mean, std = ((sum(values) / len(values),) if channels == 1 else values for values in self)
        return self._replace(mean=mean * channels, std=std * channels) if len(mean) == 1 else self

    def is_close(self, other: PixelScale) -> bool:
        """Whether pixels scaled by either hardly differ: by a tenth of a standard deviation, and of the contrast."""
        if len(self.mean) != len(other.mean):
            return False
        for mean, std, its_mean, its_std in zip(*self, *other, strict=True):
            most = _TOLERANCE * min(std, its_std)
            if abs(mean - its_mean) > most or abs(std - its_std) > most:
                return False
        return True

    def __str__(self) -> str:
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in self)
        return f"mean: [{mean}], std: [{std}]"


IMAGENET = PixelScale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The averages over the training images of ImageNet."""
