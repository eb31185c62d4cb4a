"""The scale of pixels: what data sources give, and what weights were trained with."""

from __future__ import annotations

from typing import NamedTuple, Self

_TOLERANCE = 0.045  # the scale of CIFAR-10 passes for ImageNet's, as is common; that of CLIP does not


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
        """The same for another number of channels: the average for gray, itself for all others."""
        if channels != 1:
            return self
        return self._replace(mean=(sum(self.mean) / len(self.mean),), std=(sum(self.std) / len(self.std),))

    def is_close(self, other: PixelScale) -> bool:
        """Whether no number differs enough to matter."""
        ours, theirs = (*self.mean, *self.std), (*other.mean, *other.std)
        return len(ours) == len(theirs) and all(
            abs(own - its) <= _TOLERANCE for own, its in zip(ours, theirs, strict=True)
        )

    def __str__(self) -> str:
        mean, std = (", ".join(f"{value:.4g}" for value in values) for values in self)
        return f"mean: [{mean}], std: [{std}]"


IMAGENET = PixelScale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The averages over the training images of ImageNet."""
