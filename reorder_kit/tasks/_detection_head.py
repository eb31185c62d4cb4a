"""A detector without anchors over a pyramid of restored patches, and what its outputs mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.ops import nms

from reorder_kit.interfaces import BoxTarget, Features
from reorder_kit.layers.feature_pyramid import SimpleFeaturePyramid


@dataclass(frozen=True)
class Detections:
    """What is found in one image, the best first.

    Args:
        boxes: left, top, right and bottom edge, pixels.
        scores: how sure the model is, from 0 to 1.
        classes: the number of each box's class.
    """

    boxes: Float[Tensor, "box 4"]
    scores: Float[Tensor, " box"]
    classes: Int[Tensor, " box"]

    def __len__(self) -> int:
        return len(self.boxes)

    def of_score(self, least: float) -> Detections:
        """Those with at least this score."""
        sure = self.scores >= least
        return Detections(self.boxes[sure], self.scores[sure], self.classes[sure])

    def without_overlaps(self, most: float) -> Detections:
        """Those that no better one, of whatever class, overlaps by more, as intersection over union."""
        kept = nms(self.boxes, self.scores, most)
        return Detections(self.boxes[kept], self.scores[kept], self.classes[kept])

    def to(self, device: torch.device | str) -> Detections:
        """The same on another device."""
        return Detections(self.boxes.to(device), self.scores.to(device), self.classes.to(device))


@dataclass(frozen=True)
class DetectionOutputs:
    """What the head says of every cell of every level, finest level first, each level row by row.

    Args:
        logits: of each class.
        distances: from the middle of the cell to the left, top, right and bottom edge of its object, in cells.
        centerness: logit of how near the middle of the cell is to that of its object.
        cells: edges of the cells, pixels.
        level_sizes: cells of each level.
        content: height and width of each image without its padding, pixels.
        fcos: knows how to learn from boxes and how to read them off.
    """

    logits: Float[Tensor, "batch cell class"]
    distances: Float[Tensor, "batch cell 4"]
    centerness: Float[Tensor, "batch cell 1"]
    cells: Float[Tensor, "cell 4"]
    level_sizes: tuple[int, ...]
    content: Int[Tensor, "batch 2"]
    fcos: FCOS

    def __len__(self) -> int:
        return len(self.logits)

    def loss_per_image(self, targets: Sequence[BoxTarget]) -> Float[Tensor, " batch"]:
        """Focal loss of the classes, GIoU loss of the boxes and cross-entropy of the centerness, for each image alone.

        Each is divided by the number of the image's cells that have an object. An image without any is learned from,
        too: nothing is there. A crowd is not learned.
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
        """The boxes of each image, cut at the edges of its content, without those that a better one overlaps."""
        found = []
        for image in range(len(self)):
            scored = self._scored(image)
            [best] = self.fcos.postprocess_detections(
                {name: list(torch.split(part, scored.level_sizes, dim=1)) for name, part in scored.outputs.items()},
                [list(torch.split(scored.cells, scored.level_sizes))],
                [tuple(self.content[image].tolist())],
            )
            boxes = best["boxes"]
            # Nothing remains of a box that lay beyond the content as a whole.
            has_area = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
            found.append(Detections(boxes[has_area], best["scores"][has_area], best["labels"][has_area]))
        return found

    def _scored(self, image: int) -> _Scored:
        """The cells of one image whose middle is not in padding.

        The first row and column of cells always count, lest an image thinner than half a cell has none: the assignment
        of objects to levels needs a cell in each.
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
    """One image, as torchvision's FCOS wants it."""

    outputs: dict[str, Float[Tensor, "1 cell _"]]
    cells: Float[Tensor, "cell 4"]
    level_sizes: list[int]


class DetectionHead(nn.Module):
    """A simple feature pyramid and the two branches of FCOS, shared by its levels.

    Source: Tian et al., FCOS: Fully Convolutional One-Stage Object Detection, ICCV 2019,
    https://arxiv.org/abs/1904.01355; its branches, assignment, losses and suppression are torchvision's.

    Args:
        dim: width of the patches.
        num_classes: classes to tell apart.
        pyramid_dim: channels of the pyramid's levels, a multiple of 32.
        scales: sides of the levels' maps, as multiples of the grid's.
        convolutions: 3x3 convolutions in each branch.
        center_radius: how far the middle of a cell may be from that of its object, in cells.
        score_threshold: boxes with a lower score are dropped.
        nms_threshold: a box is dropped if a better one of its class overlaps it by more, as intersection over union.
        detections_per_image: boxes to keep, the best.
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        pyramid_dim: int,
        scales: Sequence[float],
        convolutions: int,
        center_radius: float,
        score_threshold: float,
        nms_threshold: float,
        detections_per_image: int,
    ) -> None:
        super().__init__()
        self.pyramid = SimpleFeaturePyramid(dim, pyramid_dim, scales)
        head = FCOSHead(pyramid_dim, 1, num_classes, convolutions)
        # Distances go through a ReLU, and torchvision starts them at 0, where half of them learn nothing. Here an
        # untrained box is two cells wide and high.
        nn.init.ones_(head.regression_head.bbox_reg.bias)
        self.fcos = FCOS(
            _Nothing(pyramid_dim),
            num_classes,
            head=head,
            center_sampling_radius=center_radius,
            score_thresh=score_threshold,
            nms_thresh=nms_threshold,
            detections_per_img=detections_per_image,
        )

    def forward(self, features: Features) -> DetectionOutputs:
        """Everything in 32 bits, since small boxes are lost in 16."""
        sequence = features.patches()
        patches, grid = sequence.patches, sequence.grid
        if sequence.valid is not None:
            patches = patches.masked_fill(~sequence.valid.unsqueeze(-1), 0)
        with torch.autocast(patches.device.type, enabled=False):
            levels = self.pyramid(patches.float().transpose(1, 2).reshape(len(patches), -1, grid.height, grid.width))
            outputs = self.fcos.head(levels)
        height, width = features.image_size
        cells = [
            _cells(level, height / (grid.height * scale), width / (grid.width * scale))
            for level, scale in zip(levels, self.pyramid.scales, strict=True)
        ]
        content = features.content
        if content is None:
            content = torch.tensor([[height, width]], device=patches.device).expand(len(patches), 2)
        return DetectionOutputs(
            outputs["cls_logits"],
            outputs["bbox_regression"],
            outputs["bbox_ctrness"],
            torch.cat(cells),
            tuple(map(len, cells)),
            content,
            self.fcos,
        )


def _cells(level: Float[Tensor, "batch dim height width"], height: float, width: float) -> Float[Tensor, "cell 4"]:
    """The edges of a level's cells, row by row.

    Not torchvision's AnchorGenerator: it rounds the sides of cells, and takes a map with one more column for one of
    narrower cells.

    Args:
        level: a map.
        height: of a cell, pixels.
        width: of a cell, pixels.
    """
    top = torch.arange(level.shape[2], device=level.device, dtype=torch.float32) * height
    left = torch.arange(level.shape[3], device=level.device, dtype=torch.float32) * width
    corners = torch.cartesian_prod(top, left).flip(1)
    return torch.cat([corners, corners + corners.new_tensor([width, height])], dim=1)


class _Nothing(nn.Module):
    """Stands where torchvision's FCOS wants a backbone, of which only the width is asked here."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
