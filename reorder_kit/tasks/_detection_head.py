"""An anchor-free detector over a feature pyramid of patches put back in their places."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOS, FCOSHead

from reorder_kit.interfaces import Features
from reorder_kit.layers.feature_pyramid import FeaturePyramid, SimpleFeaturePyramid
from reorder_kit.tasks._detection_outputs import DetectionOutputs
from reorder_kit.tasks._level_maps import level_maps


class DetectionHead(nn.Module):
    """A feature pyramid and the two branches of FCOS, shared by its maps.

    The pyramid is a simple one over the single map of a plain backbone, or one over all levels of a hierarchical one.

    Source: Tian et al., FCOS: Fully Convolutional One-Stage Object Detection, ICCV 2019,
    https://arxiv.org/abs/1904.01355; its branches, assignment, losses and suppression are torchvision's.

    Args:
        dims: width of each level of the backbone, finest first.
        num_classes: number of classes.
        pyramid_dim: channels of the pyramid's levels, a multiple of 32.
        scales: sides of the maps, as multiples of the finest grid's.
        convolutions: 3x3 convolutions in each branch.
        center_radius: how far the middle of a cell may be from that of its object, in cells.
        score_threshold: boxes with a lower score are dropped.
        nms_threshold: a box is dropped if a better one of its class overlaps it by more, as intersection over union.
        detections_per_image: how many boxes to keep, the best ones.
    """

    def __init__(
        self,
        dims: Sequence[int],
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
        self.pyramid: SimpleFeaturePyramid | FeaturePyramid
        if len(dims) == 1:
            self.pyramid = SimpleFeaturePyramid(dims[0], pyramid_dim, scales)
        else:
            self.pyramid = FeaturePyramid(dims, pyramid_dim, scales)
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
        """Run everything in 32 bits, because small boxes are lost in 16."""
        maps = level_maps(features)
        finest = maps[0]
        with torch.autocast(finest.device.type, enabled=False):
            levels = self.pyramid(*(each.float() for each in maps))
            outputs = self.fcos.head(levels)
        height, width = features.image_size
        rows, columns = finest.shape[2:]
        cells = [
            _cells(level, height / (rows * scale), width / (columns * scale))
            for level, scale in zip(levels, self.pyramid.scales, strict=True)
        ]
        content = features.content
        if content is None:
            content = torch.tensor([[height, width]], device=finest.device).expand(len(finest), 2)
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

    Used instead of torchvision's AnchorGenerator, which rounds the sides of cells and treats a map with one more column
    as one with narrower cells.

    Args:
        level: a map.
        height: height of a cell, in pixels.
        width: width of a cell, in pixels.
    """
    top = torch.arange(level.shape[2], device=level.device, dtype=torch.float32) * height
    left = torch.arange(level.shape[3], device=level.device, dtype=torch.float32) * width
    corners = torch.cartesian_prod(top, left).flip(1)
    return torch.cat([corners, corners + corners.new_tensor([width, height])], dim=1)


class _Nothing(nn.Module):
    """Stands in for the backbone that torchvision's FCOS expects; only its width is used."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
