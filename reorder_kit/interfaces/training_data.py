"""The training data, as what is fitted to it sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from reorder_kit.image_shape import ImageShape
from reorder_kit.interfaces.batch import Batch


@runtime_checkable
class TrainingData(Protocol):
    """Training samples of a run: all their targets, and images of some."""

    @property
    def image(self) -> ImageShape:
        """The shape of an image."""
        ...

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, by number."""
        ...

    def __len__(self) -> int:
        """Samples, readable or not."""
        ...

    def targets(self) -> Iterator[Any]:
        """The target of every readable sample; no image is decoded where the source knows its targets without."""
        ...

    def batches(self, images: int) -> Iterator[Batch]:
        """Images with their targets, chosen at random, the same each time; all if there are fewer."""
        ...
