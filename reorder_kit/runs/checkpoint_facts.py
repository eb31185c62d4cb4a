"""Facts about a checkpoint: its ``state.json``."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.file_digests import FileDigests
from reorder_kit.runs.record import Count, Finite, VersionedRecord

FILE = "state.json"


class CheckpointFacts(VersionedRecord):
    """Facts about a checkpoint, apart from weights and moments.

    Args:
        epoch: epochs completed.
        image: the shape of the images.
        classes: names of the classes.
        step: optimizer steps completed.
        steps_per_epoch: optimizer steps in an epoch.
        seconds: training time so far, in seconds.
        images_per_second: throughput in the last epoch.
        validation: metrics of the last epoch.
        processes: the number of training processes.
        files: SHA-256 of every other file of the checkpoint, by name.
        run_files: SHA-256 of the run folder's files at this checkpoint, by name; for ``metrics.jsonl``, of the lines up
            to this epoch. The orders of epochs are listed in these lines.
    """

    version = 1

    epoch: Annotated[Count, Field(ge=1)]
    image: ImageShape
    classes: list[str]
    step: Count
    steps_per_epoch: Annotated[Count, Field(ge=1)]
    seconds: Finite
    images_per_second: Finite
    validation: Figures
    processes: Annotated[Count, Field(ge=1)]
    files: FileDigests = {}
    run_files: FileDigests = {}

    @model_validator(mode="after")
    def _has_images_of_a_size(self) -> Self:
        if min(self.image.axes) < 1:
            raise ValueError(f"image must have a positive size, not {self.image}")
        return self
