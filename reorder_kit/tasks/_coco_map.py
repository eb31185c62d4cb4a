"""COCO's mean average precision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torchmetrics.detection import MeanAveragePrecision

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, BoxTarget
from reorder_kit.tasks._detection_outputs import DetectionOutputs, Detections


class CocoMap:
    """Average precision over a split, collected image by image and, on ``compute``, from all processes.

    Args:
        classes: names of the classes.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._images: list[tuple[Detections, BoxTarget]] = []

    def update(self, predictions: DetectionOutputs, batch: Batch) -> None:
        """Count a batch."""
        self.add(predictions.detections(), batch.targets)

    def add(self, found: Sequence[Detections], targets: Sequence[BoxTarget]) -> None:
        """Count images whose boxes are known."""
        self._images += [(image.to("cpu"), target.to("cpu")) for image, target in zip(found, targets, strict=True)]

    def compute(self) -> dict[str, Any]:
        """``mAP50``, ``mAP75``, ``mAP`` and ``per_class``, the mAP of each class, all from 0 to 1.

        A class without objects has None in ``per_class`` and is left out of the means, which are over
        ``mean_over_classes`` classes. ``boxes_per_class`` counts the objects, without crowds. Without any object, the
        means are 0.

        Raises:
            ReorderKitError: if no process has counted an image.
        """
        # Not torchmetrics' own gathering, which hangs if processes have different numbers of images.
        images: list[tuple[Detections, BoxTarget]] = gather_object(self._images)
        if not images:
            raise ReorderKitError("there was no image to evaluate on")
        metric = MeanAveragePrecision(
            # COCO's own; torchmetrics' are rounded to 32 bits, which moves the figures by up to 1e-4.
            iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
            rec_thresholds=np.linspace(0.0, 1.0, 101).tolist(),
            class_metrics=True,
            backend="faster_coco_eval",
            sync_on_compute=False,
        )
        metric.update([_found(image) for image, _ in images], [_truth(target) for _, target in images])
        figures = metric.compute()
        # COCO's -1 means that there was nothing to find.
        means = {name: max(0.0, float(figures[key])) for name, key in _NAMES.items()}
        numbers = figures["classes"].reshape(-1).tolist()
        values = dict(zip(numbers, figures["map_per_class"].reshape(-1).tolist(), strict=True))
        boxes = Counter(number for _, target in images for number in target.classes[~target.crowd].tolist())
        per_class = {
            name: values[number] if values.get(number, -1) >= 0 else None for number, name in enumerate(self._classes)
        }
        return {
            **means,
            "mean_over_classes": sum(value is not None for value in per_class.values()),
            "per_class": per_class,
            "boxes_per_class": {name: boxes[number] for number, name in enumerate(self._classes)},
        }


_NAMES = {"mAP50": "map_50", "mAP75": "map_75", "mAP": "map"}


def _found(image: Detections) -> dict[str, torch.Tensor]:
    return {"boxes": image.boxes, "scores": image.scores, "labels": image.classes}


def _truth(target: BoxTarget) -> dict[str, torch.Tensor]:
    return {"boxes": target.boxes, "labels": target.classes, "iscrowd": target.crowd.long()}
