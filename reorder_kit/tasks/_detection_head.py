"""A detector without anchors over a pyramid of restored patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOS, FCOSHead

from reorder_kit.interfaces import Features
from reorder_kit.layers.feature_pyramid import SimpleFeaturePyramid
from reorder_kit.tasks._detection_outputs import DetectionOutputs


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
