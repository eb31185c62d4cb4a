"""The images of a race, which stay the same in its trials and its proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.recorded_data import OpenedData, open_as_recorded, open_data
from reorder_kit.interfaces import DataSplits, Sample, SampleSet, Unreadable
from reorder_kit.race.candidate import proof_seed
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.setup import RaceSetup
from reorder_kit.runs.run_folder import RunFolder

_COMPARED = 32
"""The approximate number of images to compare in each held-out split."""


def open_images(experiment: Experiment, setup: RaceSetup, folder: RaceFolder) -> OpenedData:
    """Open the images of a race.

    Args:
        experiment: the experiment of the race.
        setup: the setup of the race.
        folder: the folder of the race.

    Raises:
        ReorderKitError: if they are not the images that the race began with, naming the first that differs.
    """
    if setup.split is None:
        data = open_data(experiment, RunFolder(folder.path / "trials"), folder.splits)
    else:
        data = open_as_recorded(experiment, folder.splits, str(folder.path))
    require_digest_of_images(setup, None if data.images is None else data.images.digest(), folder)
    return data


def require_digest_of_images(setup: RaceSetup, digest: str | None, folder: RaceFolder) -> None:
    """Refuse images other than those that a race began with.

    Args:
        setup: the setup of the race.
        digest: digest of the names of the current images; None if they have no names.
        folder: the folder of the race.

    Raises:
        ReorderKitError: if they differ.
    """
    if setup.split != digest:
        raise ReorderKitError(
            f"{folder.path}: the images are not those that the race began with",
            "restore the data, or race in another --out",
        )


def require_same_for_proof(experiment: Experiment, data: OpenedData) -> None:
    """Refuse a proof whose runs would use images other than those of the race.

    If images have names, runs with other seeds use the same images. Otherwise, some of the images that the data source
    gives for a fresh seed are compared with those of the race.

    Args:
        experiment: the experiment of the race.
        data: the data of the race.

    Raises:
        ReorderKitError: if they differ.
    """
    if data.images is not None:
        return
    recipe = experiment.recipe
    fresh = recipe.model_copy(update={"seed": proof_seed(recipe.seed, 0)})
    if not _are_alike(data.splits, replace(experiment, recipe=fresh).open_data()):
        raise ReorderKitError(
            f"data: {experiment.data_source.name} gives different images for each seed, and they have no names by "
            "which the race could keep them: the proof on fresh seeds would test on images that chose the winner",
            "race without a proof (--seeds 0), or let the data source give the same images for every seed",
        )


def _are_alike(one: DataSplits, other: DataSplits) -> bool:
    """Whether the held-out images are the same; training images may be augmented at random."""
    return all(
        len(ours) == len(theirs) and all(_is_same(ours[place], theirs[place]) for place in _some(ours))
        for ours, theirs in (
            (one.validation, other.validation),
            (one.test, other.test),
        )
    )


def _is_same(one: Sample | Unreadable, other: Sample | Unreadable) -> bool:
    if isinstance(one, Unreadable) or isinstance(other, Unreadable):
        return isinstance(one, Unreadable) and isinstance(other, Unreadable)
    return torch.equal(one.image, other.image)


def _some(samples: SampleSet) -> Iterator[int]:
    count = len(samples)
    yield from range(0, count, max(1, count // _COMPARED))
