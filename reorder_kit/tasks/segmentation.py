"""Semantic segmentation: a class for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float, Int, Integer
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    IGNORED,
    MASK,
    Annotation,
    Answer,
    Batch,
    ComponentOptions,
    Metrics,
    PixelAnswer,
    SupervisedTask,
    Task,
    TaskContext,
)
from reorder_kit.interfaces.numbers import Amount, Whole


class Segmentation(SupervisedTask):
    """Cross-entropy of the pixels of an image, and soft Dice on request; mean intersection over union of the classes.

    The loss of an image is the mean over its pixels that are not ignored. Separating objects from background is the
    case of two classes. Figures are counted over all pixels of a split, not image by image.

    Soft Dice is 1 minus the mean over the classes of the image's mask of ``2 sum(p t) / (sum(p) + sum(t))``, p the
    probability and t the truth of each pixel; Milletari et al., V-Net, 3DV 2016, https://arxiv.org/abs/1606.04797,
    without its squares.
    """

    name = "segmentation"
    target_kinds = (MASK,)
    headline = "mIoU"
    is_dense = True

    class Options(ComponentOptions):
        head: Literal["linear", "upernet"] = Field(
            "linear",
            description="linear: a linear layer over the patches, interpolated; upernet: convolutions over a pyramid "
            "of maps, which see the neighborhood of a patch in the image, whatever its place in the sequence",
        )
        width: Whole = Field(64, ge=4, le=65_536, description="channels of the maps of upernet")
        dice_weight: Amount = Field(0.0, description="weight of soft Dice, added to the cross-entropy; 0: off")

        def unused(self) -> dict[str, str]:
            """The linear head has no maps."""
            return {"width": "only head: upernet uses it"} if self.head == "linear" else {}

    options: Options

    def build_head(self, context: TaskContext) -> nn.Module:
        """The head that the recipe names, over all levels of the backbone."""
        # Imported on first use: its layers come from timm, which a command that lists plugins should not wait for.
        from reorder_kit.tasks._segmentation_heads import LinearMaskHead, UperNetHead

        dims, classes = [level.dim for level in context.facts.levels], len(context.classes)
        if self.options.head == "linear":
            return LinearMaskHead(dims, classes)
        return UperNetHead(dims, classes, self.options.width)

    def loss_per_image(
        self, outputs: Float[Tensor, "batch class height width"], targets: Integer[Tensor, "batch height width"]
    ) -> Float[Tensor, " batch"]:
        """Mean over the pixels of each image that are not ignored; 0 for an image without any."""
        scores, classes = outputs.float(), targets.long()
        by_pixel = F.cross_entropy(scores, classes, ignore_index=IGNORED, reduction="none").flatten(1)
        pixels = (classes != IGNORED).flatten(1).sum(dim=1)
        loss = by_pixel.sum(dim=1) / pixels.clamp(min=1)
        if self.options.dice_weight:
            loss = loss + self.options.dice_weight * _soft_dice_loss(scores, classes)
        return loss

    def build_metrics(self, context: TaskContext) -> Metrics:
        """Mean intersection over union, Dice and pixel accuracy."""
        # Imported on first use: torchmetrics takes seconds, which a command that lists plugins should not wait for.
        from reorder_kit.tasks._mask_metrics import MaskMetrics

        return MaskMetrics(context.classes, context.device)

    def annotate_predictions(
        self, predictions: Float[Tensor, "batch class height width"], context: TaskContext
    ) -> Sequence[Annotation]:
        """The most probable class of each pixel."""
        return [Annotation(mask=mask) for mask in predictions.argmax(dim=1).cpu()]

    def answers(self, predictions: Float[Tensor, "batch class height width"], context: TaskContext) -> Sequence[Answer]:
        """The scores of the classes at each pixel."""
        return [PixelAnswer(each) for each in predictions.float()]

    def annotate_targets(self, batch: Batch, context: TaskContext) -> Sequence[Annotation]:
        """The mask."""
        return [Annotation(mask=mask) for mask in batch.targets.cpu()]


def _soft_dice_loss(
    scores: Float[Tensor, "batch class height width"], targets: Int[Tensor, "batch height width"]
) -> Float[Tensor, " batch"]:
    is_counted = (targets != IGNORED).unsqueeze(1)
    truth = F.one_hot(targets.masked_fill(targets == IGNORED, 0), scores.shape[1]).movedim(3, 1) * is_counted
    probabilities = scores.softmax(dim=1) * is_counted
    shared, true, found = (value.flatten(2).sum(dim=2) for value in (probabilities * truth, truth, probabilities))
    in_image = true > 0
    # Classes that are not in the image, and images without a pixel that counts, add nothing to the loss or its
    # gradient.
    missed = (1 - 2 * shared / (true + found).clamp(min=1)) * in_image
    return missed.sum(dim=1) / in_image.sum(dim=1).clamp(min=1)


@hookimpl
def register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [Segmentation]
