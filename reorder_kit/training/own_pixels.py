"""Map a model's answers from the image that it read to the pixels of the original image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from reorder_kit.interfaces import Answer, BoxAnswer, ClassAnswer
from reorder_kit.training.prediction import ClassArea, ClassProbability, FoundBox, ImagePrediction

Size = tuple[int, int]


def prediction_of(
    answer: Answer,
    path: str,
    size: Size,
    content: Size,
    classes: Sequence[str],
    threshold: float,
    preview: UInt8[Tensor, "channel rows columns"] | None = None,
) -> ImagePrediction:
    """The prediction that an answer stands for.

    Args:
        answer: the model's answer.
        path: the name of the image.
        size: height and width of the original image, upright, in pixels.
        content: height and width of its content in the top left corner of the model's input, in pixels.
        classes: names of the classes; a class without a name is named by its number.
        threshold: the lowest probability or score that is reported.
        preview: a small version of the image to keep.
    """
    names = tuple(classes)
    if isinstance(answer, ClassAnswer):
        ranked = _ranked(answer.probabilities.cpu(), classes)
        present = tuple(each.name for each in ranked if each.probability >= threshold)
        return ImagePrediction(
            path, size, ranked, None if answer.is_exclusive else present, preview=preview, class_names=names
        )
    if isinstance(answer, BoxAnswer):
        return ImagePrediction(
            path, size, boxes=_boxes(answer, size, content, classes, threshold), preview=preview, class_names=names
        )
    mask = class_of_pixels(answer.scores[:, : content[0], : content[1]], size).cpu()
    return ImagePrediction(path, size, areas=_areas(mask, classes), mask=mask, preview=preview, class_names=names)


def boxes_in(boxes: Float[Tensor, "box 4"], size: Size, content: Size) -> Float[Tensor, "box 4"]:
    """Boxes in pixels of an image of this size, from boxes in pixels of its content, cut at the edges of the image."""
    (height, width), (rows, columns) = size, content
    scale = boxes.new_tensor([width / columns, height / rows] * 2)
    return (boxes * scale).clamp(min=0).minimum(boxes.new_tensor([width, height] * 2))


def class_of_pixels(scores: Float[Tensor, "class rows columns"], size: Size) -> UInt8[Tensor, "height width"]:
    """The class with the highest interpolated score at each pixel of an image of this size.

    Classes are processed one by one: all scores of a large photo with many classes would not fit into memory.
    """
    if tuple(scores.shape[-2:]) == size:
        return scores.argmax(dim=0).to(torch.uint8)
    highest = torch.full(size, -torch.inf, device=scores.device)
    found = torch.zeros(size, dtype=torch.uint8, device=scores.device)
    for number, of_class in enumerate(scores.float()):
        there = F.interpolate(of_class[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        is_higher = there > highest
        found[is_higher] = number
        highest = torch.where(is_higher, there, highest)
    return found


def _ranked(probabilities: Float[Tensor, " class"], classes: Sequence[str]) -> tuple[ClassProbability, ...]:
    values, numbers = probabilities.sort(descending=True, stable=True)
    pairs = zip(values.tolist(), numbers.tolist(), strict=True)
    return tuple(
        ClassProbability(name=_name(number, classes), number=number, probability=value) for value, number in pairs
    )


def _boxes(
    answer: BoxAnswer, size: Size, content: Size, classes: Sequence[str], threshold: float
) -> tuple[FoundBox, ...]:
    kept = answer.scores >= threshold
    boxes, scores, numbers = (part[kept].cpu() for part in (answer.boxes.float(), answer.scores, answer.classes))
    edges = boxes_in(boxes, size, content).tolist()
    return tuple(
        FoundBox(
            name=_name(number, classes), number=number, score=score, left=left, top=top, right=right, bottom=bottom
        )
        for (left, top, right, bottom), score, number in zip(edges, scores.tolist(), numbers.tolist(), strict=True)
    )


def _areas(mask: UInt8[Tensor, "height width"], classes: Sequence[str]) -> tuple[ClassArea, ...]:
    counts = mask.flatten().bincount(minlength=len(classes))
    ranked = sorted((-count, number) for number, count in enumerate(counts.tolist()) if count)
    return tuple(
        ClassArea(name=_name(number, classes), number=number, pixels=-count, share=-count / mask.numel())
        for count, number in ranked
    )


def _name(number: int, classes: Sequence[str]) -> str:
    return classes[number] if number < len(classes) else str(number)
