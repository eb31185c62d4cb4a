"""The images that short trainings are judged on; they are used neither for training nor for the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from accelerate import Accelerator

from reorder_kit.data.chosen_samples import ChosenSamples, JoinedSamples
from reorder_kit.data.random_streams import stream
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import DataSplits
from reorder_kit.training.beginning import fit_task, on_one_process

RESOLVING_IMAGES = 1_000
"""The number of images that resolves one point of accuracy.

If two models disagree on a share d of n images, the paired difference of their accuracies has a standard error of at
most sqrt(d / n). With d = 10%, which is common between short trainings in two orders, that is one point with 1,000
images, and three points with 100."""

SHARE_SET_ASIDE = 0.2


@dataclass(frozen=True)
class JudgedImages:
    """The images that trials are judged on, the same for every trial of a recipe.

    Args:
        splits: the data for trials: the remaining training images, and the judged images as validation. It contains no
            test images: its ``test`` holds the judged images again.
        train_images: the number of training images of the full run.
        aside: the number of training images set aside, so that trials do not learn from them.
        fitted: the result of fitting the task to the remaining training images.
    """

    splits: DataSplits
    train_images: int
    aside: int
    fitted: Mapping[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """The number of judged images, readable or not."""
        return len(self.splits.validation)

    @property
    def words(self) -> str:
        """The judged images in words."""
        validation = self.images - self.aside
        if not self.aside:
            return f"{validation} validation images"
        return (
            f"{validation} validation images and {self.aside} training images ({SHARE_SET_ASIDE:.0%} of them), which "
            "are set aside from these trainings and keep their training transforms: the validation split alone cannot "
            f"resolve one point (that takes {RESOLVING_IMAGES:,} images)"
        )


def judged_images(experiment: Experiment, splits: DataSplits, accelerator: Accelerator | None = None) -> JudgedImages:
    """The validation images and, if they are too few, a fifth of the training images.

    Which images are set aside depends only on the recipe's seed. They keep their training transforms, because data
    sources have no others for them, but are drawn like evaluation images: the same for every order, seed and trial.

    Args:
        experiment: the parts of the run.
        splits: its opened data.
        accelerator: the processes, one of which fits the task; only this process if not given.

    Raises:
        ReorderKitError: if no training image would be left, or the task cannot be fitted to the remaining ones.
    """
    images = len(splits.train)
    judged, train = splits.validation, splits.train
    aside = 0
    if len(judged) < RESOLVING_IMAGES:
        aside = max(1, round(SHARE_SET_ASIDE * images))
        if aside >= images:
            raise ReorderKitError(
                f"short trainings that judge an order set training images aside, but there are only {images}",
                "train on more images",
            )
        generator = torch.Generator().manual_seed(stream(experiment.recipe.seed, "set aside"))
        shuffled: list[int] = torch.randperm(images, generator=generator).tolist()
        judged = JoinedSamples(judged, ChosenSamples(train, sorted(shuffled[:aside])))
        train = ChosenSamples(train, sorted(shuffled[aside:]))
    of_trials = replace(splits, train=train, validation=judged, test=judged)
    training = TrainingSplit(of_trials, experiment.recipe.seed, experiment.kind)
    fitted: Mapping[str, Any] = (
        fit_task(experiment, training)
        if accelerator is None
        else on_one_process(accelerator, lambda: fit_task(experiment, training))
    )
    return JudgedImages(of_trials, images, aside, fitted)
