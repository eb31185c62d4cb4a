"""The figures of multi-label classification."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import CatMetric
from torchmetrics.functional.classification import (
    binary_precision_recall_curve,
    multilabel_average_precision,
    multilabel_f1_score,
)

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch


class LabelMetrics:
    """Average precision and F1 over a split, collected batch by batch and, on ``compute``, from all processes.

    Average precision needs the scores of all images, so they are kept until then: five bytes for each image and class.

    Args:
        classes: names of the classes.
        device: where the outputs are.
    """

    def __init__(self, classes: Sequence[str], device: Any) -> None:
        self._classes = classes
        # Rows are flattened, because torchmetrics cannot gather tables if one of the processes has no image. NaN counts
        # as 0. The dtype is set last, because moving a metric resets it.
        self._logits = CatMetric(nan_strategy=0.0).to(device)
        self._labels = CatMetric(nan_strategy=0.0).to(device).set_dtype(torch.uint8)

    def update(self, predictions: Float[Tensor, "batch class"], batch: Batch) -> None:
        """Count a batch; the predictions are logits."""
        self._logits.update(predictions.detach().float().flatten())
        self._labels.update(batch.targets.flatten())

    def compute(self) -> dict[str, Any]:
        """All figures from 0 to 1, and counts.

        * ``mAP``: the mean of ``per_class``, over ``mean_over_classes`` classes.
        * ``per_class``: the average precision of each class, as scikit-learn defines it; None if no image has it.
        * ``images_per_class``: how many images have it.
        * ``f1``: over all images and classes, with classes predicted above a probability of 0.5.
        * ``max_f1``: the same at the single ``threshold`` that is best on these images. It is chosen and measured on
          the same images, so this is an upper bound, not an estimate for other images.

        Raises:
            ReorderKitError: if no process has counted an image, or no image has a label.
        """
        with warnings.catch_warnings():
            # torchmetrics warns in a process that got no image of a small split, though the others did.
            warnings.filterwarnings("ignore", message="The ``compute`` method of metric")
            logits, labels = (
                torch.as_tensor(metric.compute()).view(-1, len(self._classes))
                for metric in (self._logits, self._labels)
            )
        if not len(logits):
            raise ReorderKitError("there was no image to evaluate on")
        labels = labels.long()
        present = labels.any(dim=0).nonzero().flatten().tolist()
        if not present:
            raise ReorderKitError(
                f"none of the {len(labels)} images to evaluate on has a label, so there is no average precision"
            )
        steps, numbers = torch.unique(logits, return_inverse=True)
        # Evenly from 0 to 1: torchmetrics would treat logits as probabilities or convert them, which makes many near 0
        # and 1 equal.
        scores = numbers.double() / len(steps)
        per_class = multilabel_average_precision(
            scores[:, present], labels[:, present], len(present), average="none", validate_args=False
        ).tolist()
        predicted = (logits > 0).long()
        f1 = multilabel_f1_score(predicted, labels, len(self._classes), average="micro", validate_args=False)
        max_f1, threshold = _best_f1(scores, labels)
        by_number = dict(zip(present, per_class, strict=True))
        return {
            "mAP": sum(per_class) / len(per_class),
            "mean_over_classes": len(per_class),
            "f1": float(f1),
            "max_f1": max_f1,
            "threshold": float(steps[round(threshold * len(steps))].sigmoid()),
            "per_class": {name: by_number.get(number) for number, name in enumerate(self._classes)},
            "images_per_class": dict(zip(self._classes, labels.sum(dim=0).tolist(), strict=True)),
        }


def _best_f1(scores: Float[Tensor, "image class"], labels: Int[Tensor, "image class"]) -> tuple[float, float]:
    """The best micro F1 of predicting every class whose score reaches a threshold, and that threshold."""
    curve = binary_precision_recall_curve(scores.flatten(), labels.flatten(), validate_args=False)
    # The last point of the curve, recall 0, has no threshold.
    precision, recall = (values[:-1] for values in curve[:2])
    f1 = (2 * precision * recall / (precision + recall)).nan_to_num()
    best = int(f1.argmax())
    return float(f1[best]), float(curve[2][best])
