"""Multi-label classification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    MULTI_LABEL,
    Annotation,
    Answer,
    Batch,
    ClassAnswer,
    ComponentOptions,
    Metrics,
    SupervisedTask,
    Task,
    TaskContext,
    Threshold,
)
from reorder_kit.interfaces.numbers import Amount, Fraction, Positive
from reorder_kit.tasks._summary_head import SummaryHead

# Below this, a probability has no gradient through its focusing weight: powers under 1 are infinitely steep at 0.
_SMALLEST = 1e-8
_NONE = "(none)"
_PRESENT = 0.5
"""Probability above which a class counts as present."""


class MultiLabel(SupervisedTask):
    """Any number of classes for each image: a linear layer over the readout, one yes or no for each class.

    The loss of an image is the mean over its classes. With the probability p of a class, it is -w log(p) where the
    class is present, w being its positive weight, and -log(1 - p) where it is absent. The asymmetric loss multiplies
    the first by (1 - p)^gamma_positive and takes p_m^gamma_negative log(1 - p_m) for the second, with p_m = max(p -
    clip, 0), so that easy absent classes count little, and those below ``clip`` not at all. It is made for many classes
    of which each image has few.

    Source: Ridnik et al., ICCV 2021, https://arxiv.org/abs/2009.14119, equations 4 to 7; its gamma+, gamma- and m are
    ``gamma_positive``, ``gamma_negative`` and ``clip``. The paper sums over the classes.

    The reward ``average-precision`` is that of an image's own labels: the mean, over its classes, of the share of them
    among all classes that score at least as high. For an image that has no class or all of them, it is 1 and teaches
    nothing.
    """

    name = "multi-label"
    target_kinds = (MULTI_LABEL,)
    headline = "mAP"

    class Options(ComponentOptions):
        loss: Literal["bce", "asymmetric"] = Field("bce", description="binary cross-entropy, or the asymmetric loss")
        gamma_positive: Amount = Field(
            0.0, description="asymmetric: how much less a present class counts the surer its prediction is"
        )
        gamma_negative: Amount = Field(
            4.0, description="asymmetric: how much less an absent class counts the surer its prediction is"
        )
        clip: Fraction = Field(0.05, description="asymmetric: probability below which an absent class does not count")
        positive_weights: Positive | Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
            1.0,
            description="how much a class counts if it is present: one number for all, or one for each, in the "
            "sequence of the classes",
        )
        reward: Literal["loss", "average-precision"] = Field(
            "loss", description="what an order is rewarded by: minus the image's loss, or its average precision"
        )

        def unused(self) -> dict[str, str]:
            """Options that only the asymmetric loss uses."""
            if self.loss == "asymmetric":
                return {}
            return dict.fromkeys(("gamma_positive", "gamma_negative", "clip"), f"the loss is {self.loss}")

    options: Options

    def build_head(self, context: TaskContext) -> nn.Module:
        """A linear layer over the readout.

        Raises:
            ReorderKitError: if the number of positive weights is not that of the classes.
        """
        weights, classes = self.options.positive_weights, context.classes
        if isinstance(weights, tuple) and len(weights) != len(classes):
            raise ReorderKitError(
                f"task.positive_weights has {len(weights)} numbers for {len(classes)} classes",
                f"the classes are {', '.join(classes)}",
            )
        return SummaryHead(context.facts.dim, len(classes))

    def loss_per_image(
        self, outputs: Float[Tensor, "batch class"], targets: Float[Tensor, "batch class"]
    ) -> Float[Tensor, " batch"]:
        """The mean over the classes."""
        logits = outputs.float()
        weights = logits.new_tensor(self.options.positive_weights)
        if self.options.loss == "bce":
            loss = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights, reduction="none")
        else:
            loss = weights * targets * self._present(logits) + (1 - targets) * self._absent(logits)
        return loss.mean(dim=1)

    def _present(self, logits: Float[Tensor, "batch class"]) -> Float[Tensor, "batch class"]:
        focus = torch.sigmoid(-logits).clamp(min=_SMALLEST) ** self.options.gamma_positive
        return -focus * F.logsigmoid(logits)

    def _absent(self, logits: Float[Tensor, "batch class"]) -> Float[Tensor, "batch class"]:
        clip = self.options.clip
        focus = (torch.sigmoid(logits) - clip).clamp(min=_SMALLEST) ** self.options.gamma_negative
        # log(1 - p_m) = log(min(1 - p + clip, 1)), which keeps its precision where p is near 1
        log_clip = logits.new_tensor(math.log(clip) if clip else -math.inf)
        return -focus * torch.logaddexp(F.logsigmoid(-logits), log_clip).clamp(max=0)

    def reward_per_image(
        self,
        outputs: Float[Tensor, "batch class"],
        targets: Float[Tensor, "batch class"],
        loss: Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """Minus the loss, or the average precision of the image's labels."""
        if self.options.reward == "loss":
            return -loss.detach()
        return _average_precision(outputs.detach().float(), targets)

    def build_metrics(self, context: TaskContext) -> Metrics:
        """Mean average precision, by class, and F1."""
        # Imported on first use: torchmetrics takes seconds, which a command that lists plugins should not wait for.
        from reorder_kit.tasks._label_metrics import LabelMetrics

        return LabelMetrics(context.classes, context.device)

    def annotate_predictions(
        self, predictions: Float[Tensor, "batch class"], context: TaskContext
    ) -> Sequence[Annotation]:
        """The classes above 0.5; if there are none, ``(none)`` and the most probable one with its probability."""
        answers = []
        for probabilities in predictions.float().sigmoid():
            best = int(probabilities.argmax())
            found = _names(probabilities > _PRESENT, context.classes)
            nearest = "" if found else f"{context.classes[best]} {probabilities[best]:.0%}"
            answers.append(Annotation(found or _NONE, note=nearest))
        return answers

    def answers(self, predictions: Float[Tensor, "batch class"], context: TaskContext) -> Sequence[Answer]:
        """The probability of each class, independent of the others."""
        return [ClassAnswer(each, is_exclusive=False) for each in predictions.float().sigmoid()]

    def threshold(self) -> Threshold:
        """0.5, as in the F1 of its figures."""
        return Threshold(_PRESENT, "the default of multi-label")

    def annotate_targets(self, batch: Batch, context: TaskContext) -> Sequence[Annotation]:
        """The classes."""
        return [Annotation(_names(labels > 0.5, context.classes) or _NONE) for labels in batch.targets]


def _names(present: Tensor, classes: Sequence[str]) -> str:
    return ", ".join(classes[number] for number in present.nonzero().flatten().tolist())


def _average_precision(
    scores: Float[Tensor, "batch class"], labels: Float[Tensor, "batch class"]
) -> Float[Tensor, " batch"]:
    """For each image, the mean over its labels of the share of labels among the classes that score at least as high."""
    rank = _as_high(scores, scores)
    rank_among_labels = _as_high(scores.masked_fill(labels < 0.5, -math.inf), scores)
    precision = (labels * rank_among_labels / rank).sum(dim=1)
    count = labels.sum(dim=1)
    return torch.where(count > 0, precision / count.clamp(min=1), 1.0)


def _as_high(values: Float[Tensor, "batch class"], scores: Float[Tensor, "batch class"]) -> Tensor:
    """How many of the values are at least as high as each score."""
    return values.shape[1] - torch.searchsorted(values.sort(dim=1).values, scores.contiguous())


@hookimpl
def register_tasks() -> list[type[Task]]:
    """Register the task."""
    return [MultiLabel]
