"""What run events tell their listeners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.grid import Grid
from reorder_kit.interfaces.targets import Annotation
from reorder_kit.patch_order import Order


@dataclass(frozen=True)
class RunInfo:
    """A run that is under way.

    Args:
        name: the recipe's name, with ``/controls/<control>`` for a run trained beside it.
        directory: its run folder.
        grid: the grid of patches.
        start: the starting order.
        reach: which slots have a path to the readout; None where patches are ordered again before a later block.
        headline: the metric that stands for the others.
        higher_is_better: whether a higher headline is a better one.
        classes: names of the classes.
        epochs: epochs of the whole run.
        steps_per_epoch: optimiser steps in an epoch.
        first_epoch: the epoch it starts or goes on with, counted from 1.
        device: where it runs, in words.
        parameters: trainable numbers in backbone and head.
    """

    name: str
    directory: Path
    grid: Grid
    start: Order
    reach: Bool[Tensor, " slot"] | None
    headline: str
    higher_is_better: bool
    classes: Sequence[str]
    epochs: int
    steps_per_epoch: int
    first_epoch: int
    device: str
    parameters: int

    @property
    def reached_slots(self) -> int | None:
        """Slots that have a path to the readout; None where that is not known."""
        return None if self.reach is None else int(self.reach.sum())

    def reach_as_dict(self) -> dict[str, Any]:
        """For ``result.json``; ``slots`` is null where the reach is not known."""
        return {"slots": self.reached_slots, "of": self.start.num_slots, "is_selection": self.is_selection}

    @property
    def is_selection(self) -> bool:
        """Some slots are known not to be read, so an order selects patches, too."""
        return self.reach is not None and not bool(self.reach.all())


@dataclass(frozen=True)
class StepReport:
    """A step that was taken.

    Args:
        step: steps taken so far, this one included.
        loss: mean loss of the epoch so far.
        headline: headline metric of the last evaluation on the validation split; None before the first.
        images_per_second: of the epoch so far, over all processes.
    """

    step: int
    loss: float
    headline: float | None
    images_per_second: float


@dataclass(frozen=True)
class Predictions:
    """What a model says of some images.

    Args:
        run: name of the run.
        split: where the images are from.
        images: as the model sees them.
        truths: the target of each.
        answers: what the model says of each.
        classes: names of the classes.
    """

    run: str
    split: str
    images: Float[Tensor, "image channel height width"]
    truths: Sequence[Annotation]
    answers: Sequence[Annotation]
    classes: Sequence[str]
