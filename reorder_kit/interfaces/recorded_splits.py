"""The images that a run was trained and measured on, as recorded in its run folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SPLITS = ("train", "validation", "test")
"""The names of the splits, in the sequence of :class:`~reorder_kit.interfaces.DataSplits`."""


@dataclass(frozen=True)
class RecordedSplits:
    """The names of the images of each split, in the sequence in which the run read them.

    >>> RecordedSplits(("a", "b"), ("c",), ("d",)).split_of()["d"]
    'test'

    Args:
        train: names of the training images.
        validation: names of the validation images.
        test: names of the test images.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __iter__(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each split with its names."""
        yield from zip(SPLITS, (self.train, self.validation, self.test), strict=True)

    def split_of(self) -> dict[str, str]:
        """The split of every image."""
        return {name: split for split, names in self for name in names}
