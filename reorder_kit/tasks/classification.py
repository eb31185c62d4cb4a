"""Single-label classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    CLASS,
    Annotation,
    Answer,
    Batch,
    ClassAnswer,
    ComponentOptions,
    Metrics,
    SupervisedTask,
    Task,
    TaskContext,
)
from reorder_kit.interfaces.numbers import Amount, Fraction
from reorder_kit.tasks._summary_head import SummaryHead


class Classification(SupervisedTask):
    """Cross-entropy on a linear layer over the readout; top-1 and top-5 accuracy, and accuracy by class.

    Sources: label smoothing, Szegedy et al., CVPR 2016, https://arxiv.org/abs/1512.00567; mixup, Zhang et al., ICLR
    2018, https://arxiv.org/abs/1710.09412; CutMix, Yun et al., ICCV 2019, https://arxiv.org/abs/1905.04899. With both
    mixup and cutmix, every batch gets one of them, with equal probability.
    """

    name = "classification"
    target_kinds = (CLASS,)
    headline = "top1"

    class Options(ComponentOptions):
        label_smoothing: Fraction = Field(0.0, description="share of a target spread evenly over all classes")
        mixup: Amount = Field(
            0.0, description="blend pairs of training images, with a share drawn from Beta(mixup, mixup); 0: off"
        )
        cutmix: Amount = Field(
            0.0, description="paste a rectangle from another image, its share from Beta(cutmix, cutmix); 0: off"
        )

    options: Options

    def build_head(self, context: TaskContext) -> nn.Module:
        """A linear layer over the readout.

        Raises:
            ReorderKitError: if there are fewer than two classes, so that every model would be right.
        """
        if len(context.classes) < 2:
            raise ReorderKitError(
                f"task {self.name!r} needs at least two classes; the data has {', '.join(context.classes) or 'none'}",
                "check that the data source reads the right folder, column or field",
            )
        return SummaryHead(context.facts.dim, len(context.classes))

    def loss_per_image(
        self, outputs: Float[Tensor, "batch class"], targets: Int[Tensor, " batch"] | Float[Tensor, "batch class"]
    ) -> Float[Tensor, " batch"]:
        """Cross-entropy with class numbers, or with shares of the classes."""
        return F.cross_entropy(outputs.float(), targets, reduction="none", label_smoothing=self.options.label_smoothing)

    def score_per_image(self, predictions: Float[Tensor, "batch class"], batch: Batch) -> Float[Tensor, " batch"]:
        """1 for an image whose most probable class is the right one, else 0."""
        hits: Tensor = predictions.float().argmax(dim=1) == batch.targets
        return hits.float()

    def build_metrics(self, context: TaskContext) -> Metrics:
        """Top-1, top-5 and accuracy by class."""
        # Imported on first use: torchmetrics takes seconds, which a command that lists plugins should not wait for.
        from reorder_kit.tasks._accuracies import Accuracies

        return Accuracies(context.classes, context.device)

    def prepare(self, batch: Batch, training: bool, context: TaskContext) -> Batch:
        """Mix training images and targets, if asked for; the targets become shares of the classes."""
        if not (training and (self.options.mixup or self.options.cutmix)):
            return batch
        # Imported on first use: torchvision takes seconds, which a command that lists plugins should not wait for.
        from torchvision.transforms import v2

        mixers = []
        if self.options.mixup:
            mixers.append(v2.MixUp(alpha=self.options.mixup, num_classes=len(context.classes)))
        if self.options.cutmix:
            mixers.append(v2.CutMix(alpha=self.options.cutmix, num_classes=len(context.classes)))
        # torchvision draws from the global stream, which is left unchanged.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(2**31 * float(batch.random("classification.mixing")[0])))
            images, targets = v2.RandomChoice(mixers)(batch.images, batch.targets)
        # Both mix every image with the one before it: there is content wherever one of the two has some.
        content = None if batch.content is None else batch.content.maximum(batch.content.roll(1, 0))
        return replace(batch, images=images, targets=targets, content=content)

    def annotate_predictions(
        self, predictions: Float[Tensor, "batch class"], context: TaskContext
    ) -> Sequence[Annotation]:
        """The most probable class and its probability."""
        probabilities, found = predictions.float().softmax(dim=1).max(dim=1)
        return [
            Annotation(context.classes[number], note=f"{probability:.0%}")
            for number, probability in zip(found.tolist(), probabilities.tolist(), strict=True)
        ]

    def answers(self, predictions: Float[Tensor, "batch class"], context: TaskContext) -> Sequence[Answer]:
        """The probability of each class."""
        return [ClassAnswer(each, is_exclusive=True) for each in predictions.float().softmax(dim=1)]

    def annotate_targets(self, batch: Batch, context: TaskContext) -> Sequence[Annotation]:
        """The class."""
        return [Annotation(context.classes[number]) for number in batch.targets.tolist()]


@hookimpl
def register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [Classification]
