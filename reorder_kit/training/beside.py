"""The figures of controls that are evaluated beside a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch

from reorder_kit.interfaces import Batch, EvaluatedControl, Model


class Change(Protocol):
    """Gives the model and the batch that are evaluated instead."""

    def __call__(self, model: Model, batch: Batch) -> tuple[Model, Batch]:
        """The batch may have fewer images, or none."""
        ...


class Evaluate(Protocol):
    """Evaluates a trained model on random batches of test images."""

    def __call__(self, change: Change) -> Mapping[str, Any]:
        """The figures, with the number of ``images``; the others may be missing where it is 0."""
        ...


def figures_beside(control: EvaluatedControl, evaluate: Evaluate, classes: Sequence[str]) -> dict[str, Any]:
    """What ``result.json`` says of a control that is evaluated.

    Args:
        control: what is changed.
        evaluate: evaluates the model of the run.
        classes: names of the classes.

    Returns:
        ``metrics.test``, and in ``own.test`` the figures of the run itself on the same images in the same batches; or
        ``left_out``, the reason why there are none.
    """

    def own(model: Model, batch: Batch) -> tuple[Model, Batch]:
        return model, control.comparable(batch, classes)

    def changed(model: Model, batch: Batch) -> tuple[Model, Batch]:
        rest = control.comparable(batch, classes)
        return control.change(model, rest, classes) if len(rest) else (model, rest)

    before = evaluate(own)
    if not before["images"]:
        return {"left_out": "no test image could be compared; larger batches may help"}
    return {"metrics": {"test": dict(evaluate(changed))}, "own": {"test": dict(before)}}


def in_random_order(samples: int, seed: int) -> list[int]:
    """The numbers of all samples, so that a batch is a random part of a split that may be sorted by class."""
    places: list[int] = torch.randperm(samples, generator=torch.Generator().manual_seed(seed)).tolist()
    return places
