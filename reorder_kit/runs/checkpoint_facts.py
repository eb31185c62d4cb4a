"""What a checkpoint says of itself: its ``state.json``."""

from __future__ import annotations

from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.record import VersionedRecord

FILE = "state.json"


class CheckpointFacts(VersionedRecord):
    """What is known of a checkpoint, apart from weights and moments.

    Args:
        epoch: epochs behind it.
        image: the shape of the images.
        classes: names of the classes.
        step: optimizer steps behind it.
        steps_per_epoch: optimizer steps in an epoch.
        seconds: of training in all.
        images_per_second: of the last epoch.
        validation: figures of the last epoch.
        processes: how many trained it.
    """

    version = 1

    epoch: int
    image: ImageShape
    classes: list[str]
    step: int
    steps_per_epoch: int
    seconds: float
    images_per_second: float
    validation: Figures
    processes: int
