"""A model's predictions for a few images, for people to look at."""

from __future__ import annotations

from dataclasses import replace

import torch
from accelerate import Accelerator

from reorder_kit.data.data_loading import load_batch
from reorder_kit.interfaces import IGNORED, Annotation, SampleSet, Task, TaskContext
from reorder_kit.interfaces.gather_images import alone
from reorder_kit.interfaces.run_events import Predictions
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.task_checks import prepare, views_of

IMAGES = 12


def predict_some(
    model: OrderedModel,
    task: Task,
    samples: SampleSet,
    context: TaskContext,
    accelerator: Accelerator,
    run: str,
    split: str,
) -> Predictions | None:
    """Predict images spread over a split, because many sources list them class by class; None if there are none.

    Args:
        model: the model, which reads in its best order.
        task: describes outputs and targets in words.
        samples: the split.
        context: what is known about the run.
        accelerator: device and precision.
        run: name of the run.
        split: name of the split.
    """
    chosen = torch.linspace(0, len(samples) - 1, min(IMAGES, len(samples))).round().int().tolist()
    loaded = load_batch(samples, context.kind, split, chosen, views_of(task, training=False))
    if not len(loaded):
        return None
    batch = prepare(task, loaded.to(accelerator.device), False, context)
    was_training = model.training
    model.train(False)
    with torch.no_grad(), accelerator.autocast(), alone():
        predicted = task.predict(model, batch)
    model.train(was_training)
    answers, truths = task.annotate_predictions(predicted, context), task.annotate_targets(batch, context)
    if batch.content is not None:
        contents = batch.content.tolist()
        answers = [_within(answer, *content) for answer, content in zip(answers, contents, strict=False)]
    return Predictions(run, split, batch.images.cpu(), truths, answers, context.classes) if answers and truths else None


def _within(answer: Annotation, height: int, width: int) -> Annotation:
    """The annotation without padding, where a mask has no meaning."""
    if answer.mask is None:
        return answer
    mask = answer.mask.clone()
    mask[height:] = IGNORED
    mask[:, width:] = IGNORED
    return replace(answer, mask=mask)
