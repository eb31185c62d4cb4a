"""Predictions of a trained run for images from outside its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from reorder_kit.data.collation import DrawnSample, collate
from reorder_kit.data.given_images import GivenImages
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import (
    BOXES,
    CLASS,
    MULTI_LABEL,
    NONE,
    Answer,
    BoxAnswer,
    ClassAnswer,
    Task,
    Threshold,
    Unreadable,
    merged,
)
from reorder_kit.interfaces.gather_images import alone
from reorder_kit.model.task_checks import prepare, task_error
from reorder_kit.training.devices import build_accelerator, chosen_device, describe_device
from reorder_kit.training.own_pixels import prediction_of
from reorder_kit.training.prediction import ImagePrediction, Predictions
from reorder_kit.training.prepared_image import Prepared, Preparing

PREVIEW_SIDE = 512
"""The longer side of a preview, in pixels."""

_WITHOUT_MASKS = (CLASS, MULTI_LABEL, BOXES)

Keep = Callable[[ImagePrediction], ImagePrediction]
"""Receives each prediction as it is made, and returns what to keep of it."""


@names_plugins
def predict_run(
    run: Path | LoadedRun,
    given: GivenImages,
    host: PluginHost,
    device: str | None = None,
    threshold: float | None = None,
    previews: int = 0,
    keep: Keep = lambda prediction: prediction,
    wants_masks: bool = False,
) -> Predictions:
    """Predict images with a run. Its data is not opened, and nothing is written.

    Args:
        run: the folder of a run with a checkpoint, or a loaded run, whose model is moved to the device.
        given: the images.
        host: the plugins.
        device: a value of ``train.device``; the recipe's if not given, or an available one if that is missing here.
        threshold: the lowest probability or score that is reported; the task's own if not given.
        previews: the number of images, from the first, that keep a small version.
        keep: receives each prediction.
        wants_masks: refuse a run whose targets show that its task does not predict masks.

    Raises:
        ReorderKitError: if the run cannot be opened, or its data source cannot prepare images from outside its
            data; if its task has no answers for single images, or no threshold.
    """
    loaded = run if isinstance(run, LoadedRun) else LoadedRun.open(run, host)
    task, recipe = loaded.experiment.task, loaded.experiment.recipe
    if wants_masks and loaded.experiment.kind in _WITHOUT_MASKS:
        raise ReorderKitError(f"masks: task {task.name!r} does not predict masks", "segmentation does")
    limit = _limit(task, threshold)
    preparing = Preparing.of(loaded)
    accelerator = build_accelerator(chosen_device(recipe.train, device))
    asked = _Asked(loaded.on(accelerator.device), accelerator, 0.0 if limit is None else limit.value)
    unreadable, findings, images = list(given.unreadable), list(given.findings), []
    for first in range(0, len(given.images), recipe.data.batch_size):
        read: list[Prepared] = []
        for number, image in enumerate(given.images[first : first + recipe.data.batch_size], start=first):
            side = PREVIEW_SIDE if number < previews else None
            prepared = preparing(image, number, side)
            if isinstance(prepared, Unreadable):
                unreadable.append(prepared)
            else:
                read.append(prepared)
                findings += prepared.findings
        images += [keep(prediction) for prediction in asked.about(read)]
    return Predictions(
        run=loaded.folder.path,
        task=task.name,
        device=describe_device(accelerator),
        class_names=tuple(loaded.context.classes),
        images=tuple(images),
        unreadable=tuple(unreadable),
        findings=merged(findings),
        notes=(*preparing.notes, *_notes(limit)),
        threshold=limit,
    )


def _limit(task: Task, asked: float | None) -> Threshold | None:
    own = task.threshold()
    if asked is None:
        return own
    if own is None:
        raise ReorderKitError(
            f"threshold: task {task.name!r} has no threshold",
            "multi-label and detection have one",
        )
    if not 0 <= asked <= 1:
        raise ReorderKitError(f"threshold: {asked} is not between 0 and 1")
    return Threshold(asked, "as asked", own.least)


def _notes(limit: Threshold | None) -> tuple[str, ...]:
    if limit is None or limit.value >= limit.least:
        return ()
    return (f"The model itself drops scores below {limit.least:g} (the run's task.score_threshold).",)


@dataclass(frozen=True)
class _Asked:
    """A model that predicts images.

    Args:
        run: the run, on its device.
        accelerator: device and precision.
        threshold: the lowest probability or score that is reported.
    """

    run: LoadedRun
    accelerator: Accelerator
    threshold: float

    def about(self, images: Sequence[Prepared]) -> Iterator[ImagePrediction]:
        """The model's prediction for each image.

        Raises:
            ReorderKitError: if the task has no answers for single images, or the model gives NaN.
        """
        if not images:
            return
        for image, answer in zip(images, self._answers(images), strict=True):
            yield prediction_of(
                answer, image.name, image.size, image.content, self.run.context.classes, self.threshold, image.preview
            )

    def _answers(self, images: Sequence[Prepared]) -> Sequence[Answer]:
        task, model, context = self.run.experiment.task, self.run.evaluated_model, self.run.context
        batch = collate([DrawnSample((each.sample,), (each.seed,)) for each in images], NONE)
        batch = prepare(task, batch.to(self.accelerator.device), False, context)
        was_training = model.training
        model.train(False)
        try:
            with torch.no_grad(), self.accelerator.autocast(), alone():
                predicted: Any = task.predict(model, batch)
        finally:
            model.train(was_training)
        answers = task.answers(predicted, context)
        if not answers:
            raise ReorderKitError(
                f"task {task.name!r} has no answers for single images",
                "classification, multi-label, detection and segmentation have; a plugin's task needs answers()",
            )
        if len(answers) != len(images):
            raise task_error(task, f"answers returned {len(answers)} answers for {len(images)} images")
        for image, answer in zip(images, answers, strict=True):
            self._require_sense(answer, image)
        return answers

    def _require_sense(self, answer: Answer, image: Prepared) -> None:
        if isinstance(answer, ClassAnswer):
            numbers = answer.probabilities
        else:
            numbers = answer.scores
            if not image.shows_all:
                raise ReorderKitError(
                    f"data source {self.run.experiment.data_source.name!r} does not say which part of an image the "
                    "model sees, so boxes and masks cannot be mapped back to its pixels",
                    "its preparation() must scale the whole image, and set shows_all",
                )
        if isinstance(answer, BoxAnswer) and not bool(answer.boxes.isfinite().all()):
            numbers = answer.boxes
        if not bool(numbers.isfinite().all()):
            raise ReorderKitError(
                f"{image.name}: the model's answer contains NaN or infinite numbers",
                "evaluate the run; with train.precision: fp16 it may need --device cpu",
            )
