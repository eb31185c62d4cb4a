"""The results of controls that are evaluated with a run's model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from reorder_kit.errors import ComponentError
from reorder_kit.interfaces import Batch, EvaluatedControl, Model
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.result import ControlMetrics, ControlResult


class Change(Protocol):
    """Returns the model and the batch to evaluate instead."""

    def __call__(self, model: Model, batch: Batch) -> tuple[Model, Batch]:
        """The batch may have fewer images, or none."""
        ...


class Evaluate(Protocol):
    """Evaluates a trained model on random batches of test images."""

    def __call__(self, change: Change) -> Figures:
        """The metrics; the task's may be missing if there are no images."""
        ...


def evaluate_beside(control: EvaluatedControl, words: str, evaluate: Evaluate, classes: Sequence[str]) -> ControlResult:
    """The result of a control that is evaluated, not trained.

    Args:
        control: the control.
        words: its description.
        evaluate: evaluates the run's model.
        classes: names of the classes.
    """

    def comparable(batch: Batch) -> Batch:
        rest: Any = control.comparable(batch, classes)
        if not isinstance(rest, Batch):
            reason = f"comparable returned a {type(rest).__name__}"
            raise ComponentError("control", control.name, reason, "return a batch")
        return rest

    def own(model: Model, batch: Batch) -> tuple[Model, Batch]:
        return model, comparable(batch)

    def changed(model: Model, batch: Batch) -> tuple[Model, Batch]:
        rest = comparable(batch)
        if not len(rest):
            return model, rest
        match control.change(model, rest, classes):
            case (Model() as read, Batch() as instead):
                return read, instead
        raise ComponentError("control", control.name, "change did not return a model and a batch")

    before = evaluate(own)
    if not before.images:
        return ControlResult(words=words, left_out="no test image could be compared; larger batches may help")
    after = evaluate(changed)
    return ControlResult(words=words, metrics=ControlMetrics(test=after), own=ControlMetrics(test=before))


def in_random_order(samples: int, seed: int) -> list[int]:
    """The indices of all samples in random order, because splits may be sorted by class."""
    places: list[int] = torch.randperm(samples, generator=torch.Generator().manual_seed(seed)).tolist()
    return places
