"""Object detection."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    BOXES,
    Annotation,
    Answer,
    Batch,
    BoxAnswer,
    BoxTarget,
    ComponentOptions,
    Metrics,
    SupervisedTask,
    Task,
    TaskContext,
    Threshold,
)
from reorder_kit.interfaces.numbers import Fraction, Positive, Real, Whole
from reorder_kit.layers.feature_pyramid import check_scales
from reorder_kit.tasks._detection_outputs import DetectionOutputs


class Detection(SupervisedTask):
    """Boxes around objects and their classes: FCOS over a feature pyramid of the patches put back in their places.

    A plain backbone has one map, from which a simple feature pyramid makes the others. A hierarchical one has a map for
    each level; the pyramid adds the coarser maps to the finer ones.

    Every cell of every level predicts which object it lies in, where that object's edges are, and how near its middle
    is. The loss is that of FCOS, for each image separately. A crowd is neither learned nor counted as missed; an object
    that contains no cell's middle, possible if it is smaller than a cell, counts in the figures but cannot be learned.

    Figures: ``mAP50``, the mean over classes of average precision, where boxes that overlap by half count as hits;
    ``mAP75``; ``mAP``, COCO's mean over ten overlaps from 0.5 to 0.95; and mAP for each class. The headline is mAP50,
    because on small images the stricter overlaps require edges that are right to less than a pixel.

    Sources: FCOS, Tian et al., ICCV 2019, https://arxiv.org/abs/1904.01355, as in torchvision; the pyramids of ViTDet,
    Li et al., ECCV 2022, https://arxiv.org/abs/2203.16527, and of Lin et al., CVPR 2017,
    https://arxiv.org/abs/1612.03144; mAP, Lin et al., ECCV 2014, https://arxiv.org/abs/1405.0312.
    """

    name = "detection"
    target_kinds = (BOXES,)
    headline = "mAP50"
    is_dense = True

    class Options(ComponentOptions):
        scales: tuple[Positive, ...] = Field(
            (2.0, 1.0, 0.5),
            description="sides of the pyramid's maps, as multiples of the finest grid's: powers of two; a map with "
            "scale 2 has cells half as wide and high as a patch",
        )
        pyramid_dim: Whole = Field(
            64, ge=64, le=65_536, multiple_of=32, description="channels of the pyramid's levels, which have 32 groups"
        )
        convolutions: Whole = Field(
            2, ge=0, le=1_000, description="3x3 convolutions in each of the two branches, for classes and for boxes"
        )
        center_radius: Positive = Field(
            1.5, description="how far the middle of a cell may be from that of its object, in cells"
        )
        score_threshold: Fraction = Field(0.05, description="boxes with a lower score are dropped")
        nms_threshold: Real = Field(
            0.6,
            gt=0,
            le=1,
            description="a box is dropped if a better one of its class overlaps it by more (intersection over union)",
        )
        detections_per_image: Whole = Field(
            100, ge=1, le=100, description="how many of the best boxes to keep; COCO's figures count at most 100"
        )
        shown_score: Fraction = Field(
            0.3, description="boxes with a lower score are not drawn in pictures of predictions"
        )

        @field_validator("scales")
        @classmethod
        def _pyramid_can_have_them(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
            check_scales(scales)
            return scales

    options: Options

    def build_head(self, context: TaskContext) -> nn.Module:
        """The pyramid and the branches of FCOS, over all levels of the backbone."""
        # Imported on first use: torchvision takes seconds, which a command that lists plugins should not wait for.
        from reorder_kit.tasks._detection_head import DetectionHead

        options = self.options
        return DetectionHead(
            [level.dim for level in context.facts.levels],
            len(context.classes),
            pyramid_dim=options.pyramid_dim,
            scales=options.scales,
            convolutions=options.convolutions,
            center_radius=options.center_radius,
            score_threshold=options.score_threshold,
            nms_threshold=options.nms_threshold,
            detections_per_image=options.detections_per_image,
        )

    def loss_per_image(self, outputs: DetectionOutputs, targets: Sequence[BoxTarget]) -> Float[Tensor, " batch"]:
        """Focal loss of the classes, GIoU loss of the boxes, cross-entropy of the centerness."""
        return outputs.loss_per_image(targets)

    def build_metrics(self, context: TaskContext) -> Metrics:
        """COCO's mean average precision."""
        # Imported on first use: torchmetrics takes seconds, which a command that lists plugins should not wait for.
        from reorder_kit.tasks._coco_map import CocoMap

        return CocoMap(context.classes)

    def annotate_predictions(self, predictions: DetectionOutputs, context: TaskContext) -> Sequence[Annotation]:
        """The boxes that the model is fairly sure of, the surest first, with class and score; of overlapping ones, the
        best."""
        found = [
            image.of_score(self.options.shown_score).without_overlaps(self.options.nms_threshold).to("cpu")
            for image in predictions.detections()
        ]
        return [
            Annotation(
                boxes=image.boxes,
                box_texts=[
                    f"{context.classes[number]} {score:.2f}"
                    for number, score in zip(image.classes.tolist(), image.scores.tolist(), strict=True)
                ],
            )
            for image in found
        ]

    def answers(self, predictions: DetectionOutputs, context: TaskContext) -> Sequence[Answer]:
        """The boxes that the figures count."""
        return [BoxAnswer(image.boxes, image.scores, image.classes) for image in predictions.detections()]

    def threshold(self) -> Threshold:
        """As in pictures of predictions; the model itself drops what is below ``score_threshold``."""
        return Threshold(self.options.shown_score, "task.shown_score of the run", self.options.score_threshold)

    def annotate_targets(self, batch: Batch, context: TaskContext) -> Sequence[Annotation]:
        """The objects with their class."""
        return [
            Annotation(
                boxes=image.boxes,
                box_texts=[
                    f"{context.classes[number]} (crowd)" if is_crowd else context.classes[number]
                    for number, is_crowd in zip(image.classes.tolist(), image.crowd.tolist(), strict=True)
                ],
            )
            for image in (target.to("cpu") for target in batch.targets)
        ]


@hookimpl
def register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [Detection]
