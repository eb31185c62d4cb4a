"""The options shared by all sources of photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jaxtyping import UInt8
from pydantic import Field
from torch import Tensor

from reorder_kit.data.decoded_cache import CacheOptions
from reorder_kit.data.decoding import Decoding
from reorder_kit.data.set_aside import ValidationOptions
from reorder_kit.data.transforms import HORIZONTAL_FLIP, NamedTransform, TransformChoice
from reorder_kit.interfaces import ImageShape, Preparation, Sample
from reorder_kit.interfaces.numbers import Size
from reorder_kit.interfaces.paths import HomePath as HomePath  # data sources take it from here

if TYPE_CHECKING:
    from reorder_kit.data.pipeline import ImagePipeline


class ImageOptions(CacheOptions, ValidationOptions):
    """Cache, size, transforms and validation split."""

    image_size: Size | tuple[Size, Size] | None = Field(
        None, description="side of the square, or [height, width], in pixels; default: the size of the images"
    )
    train_transforms: tuple[TransformChoice, ...] | None = Field(
        None, description="transforms of training images, by name; default: Fit, RandomHorizontalFlip"
    )
    eval_transforms: tuple[TransformChoice, ...] | None = Field(
        None, description="transforms of validation and test images, by name; default: Fit"
    )

    draft_decoding: bool = Field(
        False,
        description="decode JPEGs at a half, a quarter or an eighth of their size, as long as both sides still have "
        "256/224 of image_size: faster for large photographs, with slightly different pixels",
    )

    def unused(self) -> dict[str, str]:
        """Reduced decoding without a known image size."""
        no_size = {"draft_decoding": "it needs image_size, which says how small an image may become"}
        return super().unused() | (no_size if self.image_size is None else {})

    def drafted(self, decoding: Decoding) -> Decoding:
        """The same decoding; with ``draft_decoding``, of no more pixels than needed."""
        shape = self.given_shape(decoding.channels)
        if shape is None or not self.draft_decoding:
            return decoding
        # An image may be turned after decoding, so each of its sides must cover the longer one.
        return replace(decoding, least_side=math.ceil(max(shape.height, shape.width) * 256 / 224))

    def given_shape(self, channels: int) -> ImageShape | None:
        """The shape that the model sees, if it is known before an image is opened."""
        if self.image_size is None:
            return None
        height, width = (self.image_size,) * 2 if isinstance(self.image_size, int) else self.image_size
        return ImageShape(channels, height, width)

    def image_shape(self, example: UInt8[Tensor, "channel height width"]) -> ImageShape:
        """The shape that the model sees: the given size, or that of an example."""
        return self.given_shape(example.shape[0]) or ImageShape(*example.shape)

    def pipelines(
        self, example: UInt8[Tensor, "channel height width"], mean: Sequence[float], std: Sequence[float]
    ) -> tuple[ImagePipeline, ImagePipeline]:
        """For training and for evaluation, tried on an example.

        Raises:
            ReorderKitError: if the transforms do not produce the image size.
        """
        image = self.image_shape(example)
        fit = _fit(image)
        train = (fit, HORIZONTAL_FLIP) if self.train_transforms is None else self.train_transforms
        pipelines = (
            _pipeline(train, image, mean, std, "data.train_transforms"),
            self._evaluation(image, mean, std),
        )
        for pipeline in pipelines:
            pipeline.check(example)
        return pipelines

    def preparation(
        self,
        image: ImageShape,
        decoding: Decoding,
        mean: Sequence[float],
        std: Sequence[float],
        notes: tuple[str, ...] = (),
    ) -> Preparation:
        """The preprocessing of validation and test images, for images from outside the data.

        Args:
            image: the shape that the model sees.
            decoding: how image files are decoded, at full size.
            mean: the mean of each channel, from 0 to 1.
            std: the standard deviation of each channel, from 0 to 1.
            notes: what people have to know about such images.
        """
        pipeline = self._evaluation(image, mean, std)
        return Preparation(lambda pixels: Sample(pipeline(pixels), None), self.drafted(decoding), notes=notes)

    def _evaluation(self, image: ImageShape, mean: Sequence[float], std: Sequence[float]) -> ImagePipeline:
        transforms = (_fit(image),) if self.eval_transforms is None else self.eval_transforms
        return _pipeline(transforms, image, mean, std, "data.eval_transforms")


def _fit(image: ImageShape) -> NamedTransform:
    return NamedTransform.model_validate({"name": "Fit", "size": [image.height, image.width]})


def _pipeline(
    transforms: Sequence[NamedTransform], image: ImageShape, mean: Sequence[float], std: Sequence[float], field: str
) -> ImagePipeline:
    # Imported on first use, because importing torchvision takes seconds.
    from reorder_kit.data.pipeline import ImagePipeline

    return ImagePipeline(transforms, image, mean, std, field)
