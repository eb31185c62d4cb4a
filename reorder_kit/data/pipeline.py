"""From a decoded image to what the model sees."""

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
    """The named transforms on 8-bit values, then floats from 0 to 1, then ``(value - mean) / std`` by channel.

    Args:
        transforms: the named transforms, in their sequence.
        image: the shape they have to end with.
        mean: of each channel, on the scale from 0 to 1.
        std: of each channel, on the same scale.
        field: where the recipe names the transforms, for messages.
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
            ReorderKitError: if the named transforms fail, or end with another shape than the declared one.
        """
        try:
            # A tensor alone is an image to torchvision; wrapped as one, every operation on it would take longer.
            transformed: Tensor = image
            for transform in self._transforms:
                transformed = transform(transformed)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ReorderKitError(f"{self._field}: {self} fails on an image of {_shape(image)}: {error}") from error
        if tuple(transformed.shape) != (self._image.channels, self._image.height, self._image.width):
            raise ReorderKitError(
                f"{self._field}: {self} turns an image of {_shape(image)} into {_shape(transformed)},"
                f" where {self._image} is needed",
                "end the list with Fit, CenterCrop or RandomResizedCrop, or change data.image_size",
            )
        return self._normalize(transformed)

    def check(self, example: UInt8[Tensor, "channel height width"]) -> None:
        """Try it on one image, so that a mistake is found at once; the global random stream stays as it was."""
        with torch.random.fork_rng(devices=[]):
            self(example)

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self._named))}]"


def _shape(image: Tensor) -> str:
    return "x".join(map(str, image.shape))
