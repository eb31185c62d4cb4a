"""Given images, prepared like the test images of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor

from reorder_kit.data.data_loading import EVALUATION_SEED
from reorder_kit.data.given_images import GivenImage, read_given
from reorder_kit.data.random_streams import seed_torch, stream
from reorder_kit.data.scrambled_images import scrambling
from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.interfaces import DataSource, Finding, ImageShape, Preparation, Sample, Unreadable
from reorder_kit.model.task_checks import views_of


class Prepared(NamedTuple):
    """An image, ready for the model.

    Args:
        name: its name.
        sample: the model's input.
        size: height and width of the upright image, in pixels.
        shows_all: whether the content of the sample is the whole image.
        seed: seed of its random numbers.
        findings: what was converted while reading it.
        preview: a small version; None if not requested.
    """

    name: str
    sample: Sample
    size: tuple[int, int]
    shows_all: bool
    seed: int
    findings: tuple[Finding, ...]
    preview: UInt8[Tensor, "channel rows columns"] | None

    @property
    def content(self) -> tuple[int, int]:
        """Height and width of the image in the sample, in pixels."""
        if self.sample.content is not None:
            return self.sample.content
        return (self.sample.image.shape[-2], self.sample.image.shape[-1])


@dataclass(frozen=True)
class Preparing:
    """Prepares images for a run.

    Args:
        source: the data source of the run.
        preparation: the source's preprocessing of images.
        image: the shape that the model reads.
        change: the recipe's additional change of every sample.
    """

    source: DataSource
    preparation: Preparation
    image: ImageShape
    change: Callable[[Sample], Sample]

    @classmethod
    def of(cls, run: LoadedRun) -> Preparing:
        """The preparation for a run, whose data is not opened.

        Raises:
            ReorderKitError: if its data source cannot prepare images from outside its data, or its task compares
                several views of an image.
        """
        experiment, image = run.experiment, run.context.image
        source, task = experiment.data_source, experiment.task
        if views_of(task, training=False):
            raise ReorderKitError(f"task {task.name!r} compares several views of an image, so it cannot predict one")
        preparation: Any = source.preparation(image)
        if preparation is None:
            raise ReorderKitError(
                f"data source {source.name!r} cannot prepare images from outside its data",
                "use a run on image files, or implement preparation() in the plugin",
            )
        if not isinstance(preparation, Preparation):
            reason = f"preparation returned a {type(preparation).__name__}"
            raise ComponentError(source.kind.name, source.name, reason, "return a Preparation, or None")
        hidden = None
        if experiment.plant is not None:
            grid = experiment.facts(image).grid
            hidden = experiment.check_plant(image, grid)
        change = _unchanged if hidden is None else scrambling(image, grid, hidden)
        return cls(source, preparation, image, change)

    @property
    def notes(self) -> tuple[str, ...]:
        """What people have to know about images from elsewhere."""
        return self.preparation.notes

    def __call__(self, given: GivenImage, number: int, preview_side: int | None) -> Prepared | Unreadable:
        """Read an image and prepare it.

        Args:
            given: the image.
            number: the index of the image, which determines the random numbers of any transforms.
            preview_side: the longer side of a preview, in pixels; None for no preview.

        Raises:
            ComponentError: if the prepared image does not have the shape that the model reads.
        """
        read = read_given(given, self.preparation.decoding)
        if isinstance(read, Unreadable):
            return read
        seed = stream(EVALUATION_SEED, "sample", "given", 0, number, 0)
        try:
            with torch.random.fork_rng(devices=[]):
                seed_torch(seed)
                sample: Any = self.preparation.transform(read.pixels)
        except ReorderKitError as error:
            return Unreadable(given.name, error.message)
        if not isinstance(sample, Sample) or tuple(sample.image.shape) != self.image.axes:
            found = tuple(sample.image.shape) if isinstance(sample, Sample) else type(sample).__name__
            reason = f"preparation turned {given.name} into {found}, but {self.image} is needed"
            raise ComponentError(self.source.kind.name, self.source.name, reason, "its transform must return a Sample")
        preview = None if preview_side is None else small(read.pixels, preview_side)
        findings = (*read.findings, *sample.findings)
        shows_all = self.preparation.shows_all
        return Prepared(given.name, self.change(sample), read.size, shows_all, seed, findings, preview)


def small(pixels: UInt8[Tensor, "channel height width"], side: int) -> UInt8[Tensor, "channel rows columns"]:
    """An image scaled down so that no side is longer than ``side``, with its proportions kept.

    Args:
        pixels: the image.
        side: the longest side, in pixels.
    """
    # Imported on first use, because importing torchvision takes seconds.
    from torchvision.transforms.v2 import functional as F

    height, width = pixels.shape[-2:]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    resized: Tensor = F.resize(pixels, [max(1, round(height * scale)), max(1, round(width * scale))], antialias=True)
    return resized


def _unchanged(sample: Sample) -> Sample:
    return sample
