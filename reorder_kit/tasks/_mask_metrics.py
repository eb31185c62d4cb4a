"""How well masks agree over a split."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, Batch


class MaskMetrics:
    """Figures from one confusion matrix, whose pixels are counted over the whole split and all processes.

    Nothing else of a batch is kept. Ignored pixels never count, whatever a model predicts for them.

    Args:
        classes: names of the classes.
        device: where the outputs are.
    """

    def __init__(self, classes: Sequence[str], device: Any) -> None:
        self._classes = classes
        confusion = MulticlassConfusionMatrix(len(classes), ignore_index=IGNORED, validate_args=False)
        self._confusion = confusion.to(device)

    def update(self, predictions: Float[Tensor, "batch class height width"], batch: Batch) -> None:
        """Count the pixels of a batch; the most probable class is the answer."""
        self._confusion.update(predictions.detach().argmax(dim=1), batch.targets.long())

    def compute(self) -> dict[str, Any]:
        """``mIoU``, ``dice``, ``pixel_accuracy`` and ``per_class``, all from 0 to 1, and ``pixels_per_class``.

        ``per_class`` is the intersection over union of each class. ``mIoU`` and ``dice`` are means over the
        ``mean_over_classes`` classes that some pixel of the split has or is predicted to have: a class that occurs
        nowhere has None, and one that is only predicted has 0.

        Raises:
            ReorderKitError: if no process has counted a pixel.
        """
        with warnings.catch_warnings():
            # torchmetrics warns in a process that got no image of a small split, though the others did.
            warnings.filterwarnings("ignore", message="The ``compute`` method of metric")
            confusion = self._confusion.compute().cpu().double()
        if confusion.sum() == 0:
            raise ReorderKitError(
                "there was no pixel to evaluate on",
                "no image could be read, or every pixel of every mask is ignored",
            )
        hits, true, found = confusion.diagonal(), confusion.sum(dim=1), confusion.sum(dim=0)
        is_counted = (true + found) > 0
        iou = hits / (true + found - hits)
        by_class = zip(self._classes, iou.tolist(), is_counted.tolist(), strict=True)
        return {
            "mIoU": float(iou[is_counted].mean()),
            "dice": float((2 * hits / (true + found))[is_counted].mean()),
            "pixel_accuracy": float(hits.sum() / confusion.sum()),
            "mean_over_classes": int(is_counted.sum()),
            "per_class": {name: value if is_in else None for name, value, is_in in by_class},
            "pixels_per_class": dict(zip(self._classes, true.long().tolist(), strict=True)),
        }
