"""What run events pass to their listeners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.interfaces.annotation import Annotation
from reorder_kit.interfaces.data_source import DataSplits
from reorder_kit.interfaces.recorded_splits import SPLITS
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.orders.order import Order
from reorder_kit.orders.slots_read import SlotsRead


@dataclass(frozen=True)
class ImagesOfRun:
    """The images of a run.

    Args:
        splits: the number of images in each split, by its name.
        shape: the shape that the model sees.
    """

    splits: Mapping[str, int]
    shape: ImageShape

    @classmethod
    def of(cls, splits: DataSplits) -> ImagesOfRun:
        """The images of opened data."""
        return cls({name: len(getattr(splits, name)) for name in SPLITS}, splits.image)

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.splits.items())
        return f"{counts} images of {self.shape}"


@dataclass(frozen=True)
class RunInfo:
    """A run in progress.

    Args:
        name: the recipe's name, with ``/controls/<control>`` for a control.
        directory: its run folder.
        grid: the grid of patches.
        start: the starting order.
        reach: which of the slots in use have a path to the readout; None if patches are ordered again before a later
            block.
        num_slots: slots in use; fewer than patches if an order leaves some out.
        headline: the metric by which the task is judged.
        higher_is_better: whether a higher headline is better.
        classes: names of the classes.
        epochs: epochs of the whole run.
        steps_per_epoch: optimizer steps in an epoch.
        first_epoch: the epoch in which it starts or resumes, counted from 1.
        device: where it runs, in words.
        parameters: trainable numbers in backbone and head.
        images: the images that it is trained and judged on.
    """

    name: str
    directory: Path
    grid: Grid
    start: Order
    reach: Bool[Tensor, " slot"] | None
    num_slots: int
    headline: str
    higher_is_better: bool
    classes: Sequence[str]
    epochs: int
    steps_per_epoch: int
    first_epoch: int
    device: str
    parameters: int
    images: ImagesOfRun | None = None

    @property
    def slots_read(self) -> SlotsRead:
        """How many slots and patches are read."""
        reached = None if self.reach is None else int(self.reach.sum())
        return SlotsRead(reached, self.num_slots, self.grid.num_patches - self.num_slots)

    @property
    def is_selection(self) -> bool:
        """Whether some patches are known not to be read, so that an order also selects patches."""
        return self.slots_read.is_selection


@dataclass(frozen=True)
class StepReport:
    """A completed step.

    Args:
        step: steps taken so far, including this one.
        loss: mean loss of the epoch so far.
        headline: headline metric of the last evaluation on the validation split; None before the first.
        images_per_second: images per second in the epoch so far, over all processes.
    """

    step: int
    loss: float
    headline: float | None
    images_per_second: float


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for some images.

    Args:
        run: name of the run.
        split: the split that the images are from.
        images: the images as the model sees them.
        truths: the target of each image.
        answers: the prediction for each image.
        classes: names of the classes.
    """

    run: str
    split: str
    images: Float[Tensor, "image channel height width"]
    truths: Sequence[Annotation]
    answers: Sequence[Annotation]
    classes: Sequence[str]
