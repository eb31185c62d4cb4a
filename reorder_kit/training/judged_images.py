"""The images that short trainings are judged on, none of which they learn from or are tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from reorder_kit.data.chosen_samples import ChosenSamples, JoinedSamples
from reorder_kit.data.random_streams import stream
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import DataSplits
from reorder_kit.training.beginning import fit_task

RESOLVING_IMAGES = 1_000
"""Images that resolve one point of an accuracy.

Two models that disagree on a share d of n images have accuracies whose paired difference has a standard error of at
most sqrt(d / n). With d = 10 %, which is common between short trainings in two orders, that is one point at 1,000
images, and three points at 100."""

SHARE_SET_ASIDE = 0.2


@dataclass(frozen=True)
class JudgedImages:
    """Images that trials are judged on; every trial of a recipe has the same.

    Args:
        splits: what trials see: the training images that are left, and the judged images as validation. Test images
            are not in it: its ``test`` is the judged images again.
        train_images: training images of the full run.
        aside: training images that were set aside, so that trials do not learn from them.
        fitted: what the task was fitted to, on the training images that are left.
    """

    splits: DataSplits
    train_images: int
    aside: int
    fitted: Mapping[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """How many there are, readable or not."""
        return len(self.splits.validation)

    @property
    def words(self) -> str:
        """What they are, for people."""
        validation = self.images - self.aside
        if not self.aside:
            return f"{validation} validation images"
        return (
            f"{validation} validation images and {self.aside} training images, {SHARE_SET_ASIDE:.0%} of them, set "
            "aside from these trainings with their training transforms: the validation split alone cannot resolve one "
            f"point (that takes {RESOLVING_IMAGES:,} images)"
        )


def judged_images(experiment: Experiment, splits: DataSplits) -> JudgedImages:
    """The validation images; besides them, where they are too few, a fifth of the training images.

    Which images are set aside depends on the recipe's seed alone. They keep their training transforms, since data
    sources have no others for them, but are drawn as evaluation images are: the same for every order, seed and trial.

    Args:
        experiment: the parts of the run.
        splits: its opened data.

    Raises:
        ReorderKitError: if no training image would be left, or the task cannot be fitted to those that are.
    """
    images = len(splits.train)
    judged, train = splits.validation, splits.train
    aside = 0
    if len(judged) < RESOLVING_IMAGES:
        aside = max(1, round(SHARE_SET_ASIDE * images))
        if aside >= images:
            raise ReorderKitError(
                f"a short training that judges an order sets training images aside, and there is {images} in all",
                "train on more images",
            )
        generator = torch.Generator().manual_seed(stream(experiment.recipe.seed, "set aside"))
        shuffled: list[int] = torch.randperm(images, generator=generator).tolist()
        judged = JoinedSamples(judged, ChosenSamples(train, sorted(shuffled[:aside])))
        train = ChosenSamples(train, sorted(shuffled[aside:]))
    of_trials = replace(splits, train=train, validation=judged, test=judged)
    fitted = fit_task(experiment, TrainingSplit(of_trials, experiment.recipe.seed, experiment.kind))
    return JudgedImages(of_trials, images, aside, fitted)
