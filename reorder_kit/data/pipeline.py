"""From a decoded image to the model's input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reorder_kit.data.flip import quick
from reorder_kit.data.normalize import Normalize
from reorder_kit.data.transforms import NamedTransform
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ImageShape


class ImagePipeline:
    """The named transforms on 8-bit values, then floats from 0 to 1, then ``(value - mean) / std`` per channel.

    Args:
        transforms: the named transforms, in the order of application.
        image: the shape that they must produce.
        mean: the mean of each channel, on the scale from 0 to 1.
        std: the standard deviation of each channel, on the same scale.
        field: the recipe's field that names the transforms, for messages.
    """

    def __init__(
        self,
        transforms: Sequence[NamedTransform],
        image: ImageShape,
        mean: Sequence[float],
        std: Sequence[float],
        field: str,
    ) -> None:
        self._named = transforms
        self._image = image
        self._field = field
        self._transforms = [quick(transform.build()) for transform in transforms]
        self._normalize = Normalize(mean, std)

    def __call__(self, image: UInt8[Tensor, "channel height width"]) -> Float[Tensor, "channel height_out width_out"]:
        """Transform one image.

        Raises:
            ReorderKitError: if the named transforms fail, or produce a shape other than the declared one.
        """
        try:
            # torchvision treats a plain tensor as an image; a wrapped one would make every operation slower.
            transformed: Tensor = image
            for transform in self._transforms:
                transformed = transform(transformed)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ReorderKitError(f"{self._field}: {self} fails on an image of {_shape(image)}: {error}") from error
        if tuple(transformed.shape) != (self._image.channels, self._image.height, self._image.width):
            raise ReorderKitError(
                f"{self._field}: {self} turns an image of {_shape(image)} into {_shape(transformed)},"
                f" but {self._image} is needed",
                "end the list with Fit, CenterCrop or RandomResizedCrop, or change data.image_size",
            )
        return self._normalize(transformed)

    def check(self, example: UInt8[Tensor, "channel height width"]) -> None:
        """Try it on one image to find mistakes at once; the global random stream is left unchanged."""
        with torch.random.fork_rng(devices=[]):
            self(example)

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self._named))}]"


def _shape(image: Tensor) -> str:
    return "x".join(map(str, image.shape))
