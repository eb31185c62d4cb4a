"""What a model says of a few images, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from accelerate import Accelerator

from reorder_kit.interfaces import IGNORED, Annotation, SampleSet, TargetKind, Task
from reorder_kit.interfaces.run_events import Predictions
from reorder_kit.ordered_model import OrderedModel
from reorder_kit.training.data_loading import load_batch

IMAGES = 12


def predict_some(
    model: OrderedModel,
    task: Task,
    samples: SampleSet,
    kind: TargetKind,
    classes: Sequence[str],
    accelerator: Accelerator,
    run: str,
    split: str,
) -> Predictions | None:
    """Images from all over a split, since many sources list them class by class; None if there is nothing to show.

    Args:
        model: the model; its best order is used.
        task: puts outputs and targets into words.
        samples: the split.
        kind: of its targets.
        classes: names of the classes.
        accelerator: device and precision.
        run: name of the run.
        split: name of the split.
    """
    chosen = torch.linspace(0, len(samples) - 1, min(IMAGES, len(samples))).round().int().tolist()
    batch = load_batch(samples, kind, split, chosen).to(accelerator.device)
    if not len(batch):
        return None
    was_training = model.training
    model.eval()
    with torch.no_grad(), accelerator.autocast():
        outputs = model(batch.images, content=batch.content).outputs
    model.train(was_training)
    answers, truths = task.annotate_outputs(outputs, classes), task.annotate_targets(batch.targets, classes)
    if batch.content is not None:
        contents = batch.content.tolist()
        answers = [_within(answer, *content) for answer, content in zip(answers, contents, strict=False)]
    return Predictions(run, split, batch.images.cpu(), truths, answers, classes) if answers and truths else None


def _within(answer: Annotation, height: int, width: int) -> Annotation:
    """What a mask says of padding is no answer."""
    if answer.mask is None:
        return answer
    mask = answer.mask.clone()
    mask[height:] = IGNORED
    mask[:, width:] = IGNORED
    return replace(answer, mask=mask)
