"""The interface of a data source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.component import Component, ComponentOptions, Kind
from reorder_kit.interfaces.finding import Finding
from reorder_kit.interfaces.identity import Identity
from reorder_kit.interfaces.pixel_scale import PixelScale
from reorder_kit.interfaces.recorded_splits import RecordedSplits
from reorder_kit.interfaces.target_kind import TARGET_KINDS, TargetKind
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.orders.order import Order

if TYPE_CHECKING:
    from reorder_kit.interfaces.preparation import Preparation


class Sample(NamedTuple):
    """One image, or one clip, and its target.

    Args:
        image: what the model sees: (channel, height, width), or (channel, frame, height, width) for a clip.
        target: the desired output, as described by the target kind of the source; see
            :mod:`reorder_kit.interfaces.target_kinds`.
        content: height and width, in pixels, of the content in the top left corner of the image; the rest is padding.
            None if there is no padding.
        findings: what was dropped, guessed or converted while reading it, each with the name of the sample.
    """

    image: Float[Tensor, "channel *frame height width"]
    target: Any
    content: tuple[int, int] | None = None
    findings: tuple[Finding, ...] = ()


class Unreadable(NamedTuple):
    """An image that could not be read. A run reports it and continues, up to a limit."""

    path: str
    reason: str


@runtime_checkable
class SampleSet(Protocol):
    """Samples by number, like torch's map-style data sets. Random augmentation draws from torch's global generator.

    A set may also implement :class:`HasViews` and :class:`HasTargets`.
    """

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample | Unreadable:
        """One sample, transformed and ready for the model."""
        ...


@runtime_checkable
class HasViews(Protocol):
    """A set that can draw further views of a sample, for tasks that compare several views.

    From a training set without it, the sample itself is read again, with other random numbers. An evaluation set
    without it offers no views.
    """

    def view(self, index: int) -> Sample | Unreadable:
        """A further view: the same sample under the training transform, also in validation and test.

        Random numbers come from torch's global generator.
        """
        ...


@runtime_checkable
class HasTargets(Protocol):
    """A set that knows its targets without decoding images, so that a task can read all of them before training."""

    def target(self, index: int) -> Any | Unreadable:
        """The target of the sample with this number."""
        ...


@runtime_checkable
class HasIdentities(Protocol):
    """A set that identifies its samples, so that a run can record which it used, and use them again."""

    def identity(self, index: int) -> Identity:
        """The name of the sample, and what identifies its image."""
        ...


@dataclass(frozen=True)
class DataSplits:
    """Opened data.

    Args:
        image: the shape of every image.
        classes: names of the classes, by number.
        train: augmented training samples.
        validation: samples on which every choice is made.
        test: samples that are used once, at the end.
        findings: what was dropped, guessed or converted while opening the data.
    """

    image: ImageShape
    classes: Sequence[str]
    train: SampleSet
    validation: SampleSet
    test: SampleSet
    findings: tuple[Finding, ...] = field(default=(), kw_only=True)


class DataSource(Component, ABC):
    """Images and their targets.

    A complete plugin::

        import torch
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape, Sample

        class Halves:
            \"""Images whose left or right half is bright.\"""

            def __init__(self, size):
                self.size = size

            def __len__(self):
                return self.size

            def __getitem__(self, index):
                target = index % 2
                image = torch.zeros(1, 8, 8)
                image[:, :, 4 * target : 4 * target + 4] = 1.0
                return Sample(image, target)

        class BrightHalf(DataSource):
            \"""Tell images with a bright left half from those with a bright right half.\"""

            name = "bright-half"
            target_kinds = (CLASS,)

            def open(self, seed):
                return DataSplits(ImageShape(1, 8, 8), ["left", "right"], Halves(64), Halves(16), Halves(16))

        @hookimpl
        def register_data_sources():
            return [BrightHalf]

    A source whose images are labeled in several ways lists all of them in ``target_kinds``, and gives its samples
    targets of ``self.target_kind``: the first of the task's kinds that the source has. A source that knows the shape
    of its images from its options declares it with ``image``.

    Args:
        options: the options of the recipe; the defaults if not given.
        target_kind: one of ``target_kinds``; the first if not given.
        recorded: the splits of a run that is reopened. A source that draws its own splits then splits images as
            recorded; the opened splits are compared with the record in any case. None if nothing was recorded.
    """

    kind = Kind("data-source", "data-sources")
    target_kinds: ClassVar[tuple[TargetKind, ...]]
    class_facts = MappingProxyType({"target_kinds": TARGET_KINDS})

    def __init__(
        self,
        options: ComponentOptions | None = None,
        target_kind: TargetKind | None = None,
        recorded: RecordedSplits | None = None,
    ) -> None:
        self.options = self.Options() if options is None else options
        self.target_kind = self.target_kinds[0] if target_kind is None else target_kind
        self.recorded = recorded

    @classmethod
    def declares(cls) -> dict[str, str]:
        """Its kinds of targets."""
        return {"target kinds": ", ".join(map(str, cls.target_kinds))}

    @property
    def downloads(self) -> str | None:
        """What :meth:`open` may download, and where to, in a few words; None if it downloads nothing.

        Anyone who opens another person's run is asked before anything is downloaded.
        """
        return None

    def without_downloads(self) -> Self:
        """The same source, but :meth:`open` downloads nothing, and does not write into folders that its options name.

        Missing data is then an error. By default, the source itself.
        """
        return self

    @property
    def splits_by_seed(self) -> bool:
        """Whether the seed of a run decides which images are in which split."""
        return False

    def recalling(self, recorded: RecordedSplits | None) -> Self:
        """The same source, which splits images as they were split when a run began."""
        source = copy(self)
        source.recorded = recorded
        return source

    @property
    def image(self) -> ImageShape | None:
        """The shape of the images, as :meth:`open` will give it, without opening anything.

        None if it is known only from the data.
        """
        return None

    @property
    def pixel_scale(self) -> PixelScale | None:
        """What is subtracted from pixels and what they are divided by; None if that is not known.

        A recipe is warned if its backbone starts from weights that were trained with another scale.
        """
        return None

    @abstractmethod
    def open(self, seed: int) -> DataSplits:
        """Find the data and split it.

        Args:
            seed: the run's seed. Splits that a source draws itself should be the same for every seed; otherwise two
                runs are measured on different images. Sources of the package have an option ``split_seed``.

        Raises:
            ReorderKitError: if the data is missing; the message says where it was expected.
        """

    def preparation(self, image: ImageShape) -> Preparation | None:
        """What :meth:`open` does to a test image, for images outside the data; None if that is not known.

        ``reorder-kit predict`` uses it. The data may be gone, so none of it is opened, and nothing is downloaded.

        Args:
            image: the shape of the images that the model was trained on.
        """
        return None

    def hidden_order(self) -> Order | None:
        """The order whose neighbors decide the targets, for reports; None if the images were not made with one."""
        return None
