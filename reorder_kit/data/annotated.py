"""Images with targets that move with them: labels, boxes and masks, through transforms and letterboxing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Int, UInt8
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from reorder_kit.data.channel_options import ChannelOptions
from reorder_kit.data.image_file import first_readable, read_image
from reorder_kit.data.letterbox import content_size, letterbox
from reorder_kit.data.set_aside import SplitOptions
from reorder_kit.data.transforms import KNOWN_TRANSFORMS, NamedTransform, TransformChoice
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, BoxTarget, DataSource, DataSplits, ImageShape, Sample, Unreadable


class AnnotatedOptions(ChannelOptions, SplitOptions):
    """Options of every source of images with labels, boxes or masks."""

    image_size: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
        224,
        description="side of the square, or [height, width], pixels, into which every image is scaled with its "
        "proportions kept; what is left over is padding, which no model reads",
    )
    train_transforms: tuple[TransformChoice, ...] = Field(
        (NamedTransform(name="RandomHorizontalFlip"),),
        description="transforms of training images, by name; boxes and masks move with the image",
    )

    @model_validator(mode="after")
    def _transforms_move_targets(self) -> AnnotatedOptions:
        if any(transform.name == "Fit" for transform in self.train_transforms):
            raise ValueError(
                "Fit would crop images without their targets; here every image is scaled to fit as a whole"
            )
        return self

    @property
    def image(self) -> ImageShape:
        """What the model will see."""
        height, width = (self.image_size,) * 2 if isinstance(self.image_size, int) else self.image_size
        return ImageShape(self.channels, height, width)

    def pipelines(self) -> tuple[AnnotatedPipeline, AnnotatedPipeline]:
        """For training and for evaluation."""
        train, evaluation = (
            AnnotatedPipeline(transforms, self.image, *self.scale) for transforms in (self.train_transforms, ())
        )
        return train, evaluation

    def splits(
        self,
        classes: Sequence[str],
        train: Sequence[Entry],
        validation: Sequence[Entry],
        test: Sequence[Entry],
        build: Callable[[Any, AnnotatedPipeline, AnnotatedPipeline], AnnotatedImages] | None = None,
    ) -> DataSplits:
        """The opened data, the transforms tried on the first training image that can be read.

        Args:
            classes: names of the classes.
            train: images for training.
            validation: images for validation.
            test: images for the test.
            build: the class of a split; :class:`AnnotatedImages` if not given.

        Raises:
            ReorderKitError: if no training image can be read, or the transforms do not fit it.
        """
        train_pipeline, evaluation_pipeline = self.pipelines()
        train_pipeline.check(first_readable(len(train), lambda number: train[number].read()))
        build = build or AnnotatedImages
        return DataSplits(
            image=self.image,
            classes=classes,
            train=build(train, train_pipeline, train_pipeline),
            validation=build(validation, evaluation_pipeline, train_pipeline),
            test=build(test, evaluation_pipeline, train_pipeline),
        )


class AnnotatedSource(DataSource):
    """A source whose images are letterboxed, so that their shape is that of the options."""

    options: AnnotatedOptions

    @property
    def image(self) -> ImageShape:
        """The shape that the options say."""
        return self.options.image


class RawSample(NamedTuple):
    """An image as it lies in a file, and its target in pixels of that image.

    Args:
        image: the image.
        target: a tensor of labels, a :class:`~reorder_kit.interfaces.BoxTarget`, or an integer tensor of the image's
            height and width.
    """

    image: UInt8[Tensor, "channel height width"]
    target: Any


class Entry(Protocol):
    """One image of a source, not yet read."""

    def read(self) -> RawSample | Unreadable:
        """Read it."""
        ...


class LabelledEntry(Entry, Protocol):
    """An image whose labels are known, or can be read, without it."""

    def label(self) -> Any | Unreadable:
        """The target."""
        ...


@dataclass(frozen=True)
class LabelledFile:
    """An image file whose target is known: labels or boxes.

    Args:
        path: the file.
        channels: 3 for colour, 1 for grey.
        target: what :class:`RawSample` says.
    """

    path: str
    channels: int
    target: Any

    def read(self) -> RawSample | Unreadable:
        """Decode the image."""
        image = read_image(self.path, self.channels)
        return image if isinstance(image, Unreadable) else RawSample(image, self.target)


class AnnotatedImages:
    """The samples of one split. What cannot be read is unreadable.

    Args:
        entries: the images.
        pipeline: what is done to each.
        view_pipeline: what is done to each for a further view.
    """

    def __init__(self, entries: Sequence[Entry], pipeline: AnnotatedPipeline, view_pipeline: AnnotatedPipeline) -> None:
        self._entries, self._pipeline, self._view_pipeline = entries, pipeline, view_pipeline

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        return self._sample(index, self._pipeline)

    def view(self, index: int) -> Sample | Unreadable:
        """A further view of a sample; boxes and masks move with it."""
        return self._sample(index, self._view_pipeline)

    def _sample(self, index: int, pipeline: AnnotatedPipeline) -> Sample | Unreadable:
        entry = self._entries[index]
        raw = entry.read()
        if isinstance(raw, Unreadable):
            return raw
        try:
            return pipeline(raw)
        except ReorderKitError as error:
            return Unreadable(getattr(entry, "path", f"image {index}"), error.message)


class LabelledImages(AnnotatedImages):
    """The samples of one split whose labels do not hang on the pixels.

    Args:
        entries: the images.
        pipeline: what is done to each.
        view_pipeline: what is done to each for a further view.
    """

    _entries: Sequence[LabelledEntry]

    def target(self, index: int) -> Any | Unreadable:
        """The labels of a sample, whether or not its image can be read."""
        return self._entries[index].label()


class AnnotatedPipeline:
    """Named transforms of image and target together, letterboxing, then ``(value - mean) / std`` by channel.

    Padding is 0 after that, boxes are cut at the edges of the image and left out where nothing remains of them, and
    the mask of padding is :data:`~reorder_kit.interfaces.IGNORED`.

    Args:
        transforms: the named transforms, in their sequence.
        image: the shape to end with.
        mean: of each channel, on the scale from 0 to 1.
        std: of each channel, on the same scale.
    """

    def __init__(
        self, transforms: Sequence[NamedTransform], image: ImageShape, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self._named, self._image, self._size = transforms, image, (image.height, image.width)
        self._transforms = nn.ModuleList([_build(transform) for transform in transforms])
        self._to_float = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(mean), list(std))])

    def __call__(self, raw: RawSample) -> Sample:
        """Transform one image with its target.

        Raises:
            ReorderKitError: if the named transforms fail, or change the number of channels.
        """
        pictures: dict[str, Any] = {"image": tv_tensors.Image(raw.image), **_pictures_of(raw)}
        try:
            for transform in self._transforms:
                pictures = transform(pictures)
        except (RuntimeError, TypeError, ValueError) as error:
            names = ", ".join(map(str, self._named))
            reason = f"data.train_transforms: [{names}] fails on an image of {tuple(raw.image.shape)}: {error}"
            raise ReorderKitError(reason) from error
        channels = pictures["image"].shape[0]
        if channels != self._image.channels:
            names = ", ".join(map(str, self._named))
            raise ReorderKitError(
                f"data.train_transforms: [{names}] gives {channels} channels, not {self._image.channels}"
            )
        content = content_size(pictures["image"].shape[-2], pictures["image"].shape[-1], self._size)
        normalised = self._to_float(letterbox(pictures["image"], self._size)).as_subclass(Tensor)
        normalised[:, content[0] :] = 0.0
        normalised[:, :, content[1] :] = 0.0
        has_padding = content != self._size
        return Sample(normalised, self._target(raw.target, pictures, content), content if has_padding else None)

    def check(self, raw: RawSample) -> None:
        """Try it on one image, so that a mistake is found at once; the global random stream stays as it was."""
        with torch.random.fork_rng(devices=[]):
            self(raw)

    def _target(self, target: Any, pictures: Mapping[str, Any], content: tuple[int, int]) -> Any:
        if "boxes" in pictures:
            return _kept_boxes(letterbox(pictures["boxes"], self._size), pictures, content)
        if "mask" in pictures:
            return letterbox(pictures["mask"], self._size, fill=IGNORED).as_subclass(Tensor)
        return target


def _build(named: NamedTransform) -> nn.Module:
    """Where a transform uncovers what the image does not show, a mask is ignored rather than of the class ``fill``."""
    parameters = inspect.signature(KNOWN_TRANSFORMS[named.name]).parameters
    if "fill" not in parameters:
        return named.build()
    fill = named.arguments.get("fill", parameters["fill"].default)
    arguments = {**named.arguments, "fill": {tv_tensors.Mask: IGNORED, "others": fill}}
    return NamedTransform.model_validate({"name": named.name, **arguments}).build()


def _pictures_of(raw: RawSample) -> dict[str, Any]:
    """The target as torchvision's transforms want it; labels do not move."""
    if isinstance(raw.target, BoxTarget):
        size = (raw.image.shape[-2], raw.image.shape[-1])
        boxes = tv_tensors.BoundingBoxes(raw.target.boxes, format="XYXY", canvas_size=size)
        return {"boxes": boxes, "classes": raw.target.classes, "crowd": raw.target.crowd}
    is_mask = isinstance(raw.target, Tensor) and raw.target.shape == raw.image.shape[-2:]
    return {"mask": tv_tensors.Mask(raw.target)} if is_mask else {}


def _kept_boxes(boxes: Any, pictures: Mapping[str, Any], content: tuple[int, int]) -> BoxTarget:
    # Cut at the edges of what the image shows, which padding lies beyond; rounding, too, can lead over them.
    height, width = content
    clamped: Tensor = boxes.as_subclass(Tensor).float().clamp(min=0).minimum(torch.tensor([width, height] * 2))
    kept = ((clamped[:, 2:] - clamped[:, :2]) > 0).all(dim=1)
    classes: Int[Tensor, " box"] = pictures["classes"]
    return BoxTarget(clamped[kept], classes[kept], pictures["crowd"][kept])
