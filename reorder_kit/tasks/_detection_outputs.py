"""The outputs of an anchor-free detector, and the boxes that they encode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.interfaces import BoxTarget


@dataclass(frozen=True)
class Detections:
    """The boxes found in one image, best first.

    Args:
        boxes: left, top, right and bottom edge, in pixels.
        scores: how sure the model is, from 0 to 1.
        classes: the number of each box's class.
    """

    boxes: Float[Tensor, "box 4"]
    scores: Float[Tensor, " box"]
    classes: Int[Tensor, " box"]

    def __len__(self) -> int:
        return len(self.boxes)

    def of_score(self, least: float) -> Detections:
        """The detections with at least this score."""
        sure = self.scores >= least
        return Detections(self.boxes[sure], self.scores[sure], self.classes[sure])

    def without_overlaps(self, most: float) -> Detections:
        """The detections that no better one, of any class, overlaps by more, as intersection over union."""
        # Imported on first use: torchvision takes seconds.
        from torchvision.ops import nms

        kept = nms(self.boxes, self.scores, most)
        return Detections(self.boxes[kept], self.scores[kept], self.classes[kept])

    def to(self, device: torch.device | str) -> Detections:
        """The same on another device."""
        return Detections(self.boxes.to(device), self.scores.to(device), self.classes.to(device))


@dataclass(frozen=True)
class DetectionOutputs:
    """The head's outputs for every cell of every level, finest level first, each level row by row.

    Args:
        logits: the logit of each class.
        distances: from the middle of the cell to the left, top, right and bottom edge of its object, in cells.
        centerness: logit of how near the middle of the cell is to that of its object.
        cells: edges of the cells, in pixels.
        level_sizes: cells of each level.
        content: height and width of each image without its padding, in pixels.
        fcos: torchvision's FCOS, which computes the loss and decodes the boxes.
    """

    logits: Float[Tensor, "batch cell class"]
    distances: Float[Tensor, "batch cell 4"]
    centerness: Float[Tensor, "batch cell 1"]
    cells: Float[Tensor, "cell 4"]
    level_sizes: tuple[int, ...]
    content: Int[Tensor, "batch 2"]
    fcos: Any  # not its class, because torchvision takes seconds to import

    def __len__(self) -> int:
        return len(self.logits)

    def loss_per_image(self, targets: Sequence[BoxTarget]) -> Float[Tensor, " batch"]:
        """Focal loss of the classes, GIoU loss of the boxes and cross-entropy of the centerness, for each image alone.

        Each is divided by the number of the image's cells that have an object. An image without objects also counts: it
        teaches that nothing is there. Crowds are not learned.
        """
        losses = []
        for image, target in enumerate(targets):
            scored = self._scored(image)
            single = ~target.crowd
            parts = self.fcos.compute_loss(
                [{"boxes": target.boxes[single], "labels": target.classes[single]}],
                scored.outputs,
                [scored.cells],
                scored.level_sizes,
            )
            losses.append(torch.stack(list(parts.values())).sum())
        return torch.stack(losses)

    @torch.no_grad()
    def detections(self) -> list[Detections]:
        """The boxes of each image, clipped at the edges of its content, without those that a better one overlaps."""
        found = []
        for image in range(len(self)):
            scored = self._scored(image)
            [best] = self.fcos.postprocess_detections(
                {name: list(torch.split(part, scored.level_sizes, dim=1)) for name, part in scored.outputs.items()},
                [list(torch.split(scored.cells, scored.level_sizes))],
                [tuple(self.content[image].tolist())],
            )
            boxes = best["boxes"]
            # Nothing remains of a box that lay entirely outside the content.
            has_area = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
            found.append(Detections(boxes[has_area], best["scores"][has_area], best["labels"][has_area]))
        return found

    def _scored(self, image: int) -> _Scored:
        """The cells of one image whose middle is not in padding.

        The first row and column of cells always count, so that even an image thinner than half a cell has some:
        assigning objects to levels needs a cell in each.
        """
        corners, sizes = self.cells[:, :2], self.cells[:, 2:] - self.cells[:, :2]
        width_and_height = self.content[image].flip(0)
        kept = (corners + sizes / 2 < torch.maximum(width_and_height, sizes)).all(dim=1)
        outputs = {"cls_logits": self.logits, "bbox_regression": self.distances, "bbox_ctrness": self.centerness}
        return _Scored(
            {name: part[image : image + 1, kept] for name, part in outputs.items()},
            self.cells[kept],
            [int(level.sum()) for level in torch.split(kept, list(self.level_sizes))],
        )


@dataclass(frozen=True)
class _Scored:
    """One image, as torchvision's FCOS expects it."""

    outputs: dict[str, Float[Tensor, "1 cell _"]]
    cells: Float[Tensor, "cell 4"]
    level_sizes: list[int]
