"""Images with labels, or with boxes and masks that move with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

from jaxtyping import UInt8
from pydantic import Field, model_validator
from torch import Tensor

from reorder_kit.data.bit_depth_check import check_bit_depth
from reorder_kit.data.channel_options import ChannelOptions
from reorder_kit.data.decoded_cache import CacheOptions, DecodedSamples, file_key, key_of
from reorder_kit.data.decoding import Decoding
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import first_readable, read_image
from reorder_kit.data.set_aside import SplitOptions, SplitSource
from reorder_kit.data.transforms import HORIZONTAL_FLIP, TransformChoice
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    DataSplits,
    Finding,
    Identity,
    ImageShape,
    PixelScale,
    Preparation,
    Sample,
    Unreadable,
)
from reorder_kit.interfaces.numbers import Size

if TYPE_CHECKING:
    from reorder_kit.data.annotated_pipeline import AnnotatedPipeline


class AnnotatedOptions(CacheOptions, ChannelOptions, SplitOptions):
    """Options of every source of images with labels, boxes or masks."""

    image_size: Size | tuple[Size, Size] = Field(
        224,
        description="side of the square, or [height, width], in pixels, into which every image is scaled with its "
        "proportions kept; the rest is padding, which no model reads",
    )
    train_transforms: tuple[TransformChoice, ...] = Field(
        (HORIZONTAL_FLIP,),
        description="transforms of training images, by name; boxes and masks move with the image",
    )

    @model_validator(mode="after")
    def _transforms_move_targets(self) -> AnnotatedOptions:
        if any(transform.name == "Fit" for transform in self.train_transforms):
            raise ValueError(
                "Fit would crop images but not their targets; this source scales whole images to fit instead"
            )
        return self

    @property
    def image(self) -> ImageShape:
        """The shape that the model sees."""
        height, width = (self.image_size,) * 2 if isinstance(self.image_size, int) else self.image_size
        return ImageShape(self.channels, height, width)

    def pipelines(self) -> tuple[AnnotatedPipeline, AnnotatedPipeline]:
        """For training and for evaluation."""
        from reorder_kit.data.annotated_pipeline import AnnotatedPipeline

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
        root: Path,
        findings: Findings,
        build: type[AnnotatedImages] | None = None,
    ) -> DataSplits:
        """Open the data, and try the transforms on the first training image that can be read.

        Args:
            classes: names of the classes.
            train: images for training.
            validation: images for validation.
            test: images for the test.
            root: the folder that names of images are relative to.
            findings: what was dropped, guessed or converted so far.
            build: the class of a split; :class:`AnnotatedImages` if not given.

        Raises:
            ReorderKitError: if no training image can be read, or the transforms do not fit it.
        """
        train_pipeline, evaluation_pipeline = self.pipelines()
        train_pipeline.check(first_readable(len(train), lambda number: train[number].read()))
        check_bit_depth(self, train, lambda entry: (entry.path, entry.file()), findings)
        build = build or AnnotatedImages
        splits = DataSplits(
            image=self.image,
            classes=classes,
            train=build(train, root, train_pipeline, train_pipeline),
            validation=build(validation, root, evaluation_pipeline, train_pipeline),
            test=build(test, root, evaluation_pipeline, train_pipeline),
            findings=findings.found,
        )
        return self.with_cache(splits, root)


class AnnotatedSource(SplitSource):
    """A source whose images are letterboxed to the shape in the options."""

    options: AnnotatedOptions

    @property
    def image(self) -> ImageShape:
        """The shape in the options."""
        return self.options.image

    @property
    def pixel_scale(self) -> PixelScale:
        """The given one, or ImageNet's."""
        return self.options.scale

    def preparation(self, image: ImageShape) -> Preparation:
        """Letterboxing, as for images of the data."""
        _, evaluation = self.options.pipelines()
        decoding = self.options.decoding(self.options.channels)
        return Preparation(lambda pixels: evaluation(RawSample(pixels, None)), decoding, shows_all=True)


class RawSample(NamedTuple):
    """A decoded image, and its target in pixels of that image.

    Args:
        image: the image.
        target: a tensor of labels, a :class:`~reorder_kit.interfaces.BoxTarget`, or an integer tensor of the image's
            height and width.
        findings: what was converted or guessed while reading them.
    """

    image: UInt8[Tensor, "channel height width"]
    target: Any
    findings: tuple[Finding, ...] = ()


class Entry(Protocol):
    """One image of a source, not yet read."""

    @property
    def path(self) -> str:
        """The file, or another name for messages."""
        ...

    def file(self) -> str | BinaryIO:
        """The encoded image, as a path or an open file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if there is no image.
        """
        ...

    def identity(self, root: Path) -> Identity:
        """Its name relative to a folder, and what identifies its image."""
        ...

    def decoding_key(self) -> bytes:
        """As :class:`~reorder_kit.data.decoded_cache.DecodedSamples` says."""
        ...

    def read(self) -> RawSample | Unreadable:
        """Read it."""
        ...


class LabelledEntry(Entry, Protocol):
    """An image whose labels are known, or can be read without reading the image."""

    def label(self) -> Any | Unreadable:
        """The target."""
        ...


@dataclass(frozen=True)
class ImageFile:
    """An image file.

    Args:
        path: the file.
        decoding: how it is decoded.
    """

    path: str
    decoding: Decoding

    def file(self) -> str:
        """The path."""
        return self.path

    def identity(self, root: Path) -> Identity:
        """The file."""
        return FileIdentity(root, self.path)

    def decoding_key(self) -> bytes:
        """The key of the file, its decoding and its target."""
        return key_of(self, file_key(self.path))


@dataclass(frozen=True)
class LabelledFile(ImageFile):
    """An image file whose target is known and does not depend on its pixels: labels.

    Args:
        path: the file.
        decoding: how it is decoded.
        target: as in :class:`RawSample`.
    """

    target: Any

    def read(self) -> RawSample | Unreadable:
        """Decode the image."""
        picture = read_image(self.path, self.decoding)
        if isinstance(picture, Unreadable):
            return picture
        return RawSample(picture.pixels, self.target, picture.findings)


class AnnotatedImages(DecodedSamples[RawSample]):
    """The samples of one split; those that cannot be read are :class:`Unreadable`.

    Args:
        entries: the images.
        root: the folder that their names are relative to.
        pipeline: what is applied to each.
        view_pipeline: what is applied to each for a further view.
    """

    def __init__(
        self, entries: Sequence[Entry], root: Path, pipeline: AnnotatedPipeline, view_pipeline: AnnotatedPipeline
    ) -> None:
        self._entries, self._root = entries, root
        self._pipeline, self._view_pipeline = pipeline, view_pipeline

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        return self._sample(index, self._pipeline)

    def view(self, index: int) -> Sample | Unreadable:
        """A further view of a sample; boxes and masks move with it."""
        return self._sample(index, self._view_pipeline)

    def identity(self, index: int) -> Identity:
        """The name of a sample, and what identifies its image."""
        return self._entries[index].identity(self._root)

    def decode(self, index: int) -> RawSample | Unreadable:
        """Read a sample, before any transform."""
        return self._entries[index].read()

    def decoding_key(self, index: int) -> bytes:
        """The key of a sample's image and target."""
        return self._entries[index].decoding_key()

    def _sample(self, index: int, pipeline: AnnotatedPipeline) -> Sample | Unreadable:
        entry = self._entries[index]
        raw = self.decoded(index)
        if isinstance(raw, Unreadable):
            return raw
        try:
            return pipeline(raw, entry.path)
        except ReorderKitError as error:
            return Unreadable(entry.path, error.message)


class LabelledImages(AnnotatedImages):
    """The samples of one split whose labels do not depend on the pixels.

    Args:
        entries: the images.
        root: the folder that their names are relative to.
        pipeline: what is applied to each.
        view_pipeline: what is applied to each for a further view.
    """

    _entries: Sequence[LabelledEntry]

    def target(self, index: int) -> Any | Unreadable:
        """The labels of a sample, whether or not its image can be read."""
        return self._entries[index].label()
