"""Set aside training images for validation or test, if the data has no such splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from pydantic import Field

from reorder_kit.data.splits import split_off
from reorder_kit.interfaces import ComponentOptions, DataSource
from reorder_kit.interfaces.numbers import Fraction, Seed

Item = TypeVar("Item")


class ValidationOptions(ComponentOptions):
    """How validation images are set aside."""

    validation_fraction: Fraction = Field(
        0.1, gt=0, description="share of the training images set aside if there is no validation split"
    )
    split_seed: Seed | None = Field(
        0,
        description="seed of the choice, so that runs of every seed are measured on the same images; null: the run's "
        "seed",
    )

    def take_validation(
        self, train: Sequence[Item], classes_of: Callable[[Item], Collection[int]], seed: int
    ) -> tuple[list[Item], list[Item]]:
        """Split off validation items; the rest stay for training.

        Args:
            train: the items, such as images, each of which stays whole.
            classes_of: numbers of the classes of each; empty to ignore classes.
            seed: the run's seed.

        Raises:
            ReorderKitError: if nothing would be set aside.
        """
        return self._take(train, classes_of, seed, self.validation_fraction, "data.validation_fraction")

    def _take(
        self,
        items: Sequence[Item],
        classes_of: Callable[[Item], Collection[int]],
        seed: int,
        fraction: float,
        field: str,
    ) -> tuple[list[Item], list[Item]]:
        split_seed = seed if self.split_seed is None else self.split_seed
        stay, aside = set_aside([classes_of(item) for item in items], fraction, split_seed, field)
        return [items[number] for number in stay], [items[number] for number in aside]


class SplitOptions(ValidationOptions):
    """How validation and test images are set aside."""

    test_fraction: Fraction = Field(0.2, gt=0, description="share of the images set aside if there is no test split")

    def complete(
        self,
        train: Sequence[Item],
        validation: Sequence[Item] | None,
        test: Sequence[Item] | None,
        classes_of: Callable[[Item], Collection[int]],
        seed: int,
    ) -> tuple[Sequence[Item], Sequence[Item], Sequence[Item]]:
        """Training, validation and test items; missing splits are set aside from train, test first.

        Args:
            train: the items for training.
            validation: the items for validation; None if there is no such split.
            test: the items for the test; None if there is no such split.
            classes_of: numbers of the classes of each; empty to ignore classes.
            seed: the run's seed.

        Raises:
            ReorderKitError: if nothing would be set aside.
        """
        if test is None:
            train, test = self._take(train, classes_of, seed, self.test_fraction, "data.test_fraction")
        if validation is None:
            train, validation = self.take_validation(train, classes_of, seed)
        return train, validation, test


class SplitSource(DataSource):
    """A source that sets images aside by ``split_seed``."""

    options: ValidationOptions

    @property
    def splits_by_seed(self) -> bool:
        """Whether the split depends on the run's seed, because no seed of the split is given."""
        return self.options.split_seed is None


def set_aside(
    classes: Sequence[Collection[int]], fraction: float, seed: int, field: str
) -> tuple[list[int], list[int]]:
    """Indices of the images that stay, and of those set aside, ascending.

    The shares set aside are as equal as possible across classes, where each image counts for its rarest class. No class
    loses its last image.

    Args:
        classes: numbers of the classes of each image; any number of them.
        fraction: share of all images to set aside, between 0 and 1.
        seed: seed of the random choice.
        field: the recipe's field with the fraction, for messages.

    Raises:
        ReorderKitError: if nothing would be set aside.
    """
    images_of = Counter(number for present in classes for number in present)
    without = max(images_of, default=-1) + 1
    rarest = [min(present, key=images_of.__getitem__, default=without) for present in classes]
    stay, aside = split_off(rarest, fraction, seed, field)
    # A class with one image is never set aside. A lost class has at least two images, one of which goes back, so some
    # images remain set aside.
    lost = _union(classes) - _union(classes[number] for number in stay)
    for number in tuple(aside):
        if lost.intersection(classes[number]):
            lost.difference_update(classes[number])
            aside.remove(number)
            stay.append(number)
    return sorted(stay), aside


def _union(classes: Iterable[Collection[int]]) -> set[int]:
    return {number for present in classes for number in present}
