"""The accuracies of single-label classification."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassStatScores

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch


class Accuracies:
    """Accuracies over a split, collected batch by batch and, on ``compute``, from all processes.

    Args:
        classes: names of the classes.
        device: where the outputs are.
    """

    def __init__(self, classes: Sequence[str], device: Any) -> None:
        self._classes = classes
        self._by_class = MulticlassStatScores(len(classes), average="none", validate_args=False).to(device)
        # With up to five classes, the top five are always right.
        self._top5 = (
            MulticlassAccuracy(len(classes), top_k=5, average="micro", validate_args=False).to(device)
            if len(classes) > 5
            else None
        )

    def update(self, predictions: Float[Tensor, "batch class"], batch: Batch) -> None:
        """Count a batch; its targets are class numbers."""
        scores = predictions.detach().float()
        self._by_class.update(scores, batch.targets)
        if self._top5 is not None:
            self._top5.update(scores, batch.targets)

    def compute(self) -> dict[str, Any]:
        """``top1``, ``top5`` (with more than five classes) and ``per_class``, all from 0 to 1.

        ``images_per_class`` counts the images of each class. A class without images has None in ``per_class``, which is
        the recall; one that was never predicted has None in ``precision_per_class``.

        Raises:
            ReorderKitError: if no process has counted an image.
        """
        with warnings.catch_warnings():
            # torchmetrics warns in a process that got no image of a small split, though the others did.
            warnings.filterwarnings("ignore", message="The ``compute`` method of metric")
            by_class = self._by_class.compute()
            top5 = None if self._top5 is None else float(self._top5.compute())
        hits, wrong, images = by_class[:, 0].tolist(), by_class[:, 1].tolist(), by_class[:, 4].tolist()
        if sum(images) == 0:
            raise ReorderKitError("there was no image to evaluate on")
        figures: dict[str, Any] = {"top1": sum(hits) / sum(images)}
        if top5 is not None:
            figures["top5"] = top5
        figures["per_class"] = {
            name: hit / count if count else None for name, hit, count in zip(self._classes, hits, images, strict=True)
        }
        figures["precision_per_class"] = {
            name: hit / (hit + miss) if hit + miss else None
            for name, hit, miss in zip(self._classes, hits, wrong, strict=True)
        }
        figures["images_per_class"] = dict(zip(self._classes, images, strict=True))
        return figures
