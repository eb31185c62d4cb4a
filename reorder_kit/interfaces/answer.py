"""A model's prediction for one image, for programs that use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class ClassAnswer:
    """The probability of each class.

    Args:
        probabilities: by class number, from 0 to 1.
        is_exclusive: whether an image has exactly one class, so that the probabilities add up to 1.
    """

    probabilities: Float[Tensor, " class"]
    is_exclusive: bool


@dataclass(frozen=True)
class BoxAnswer:
    """The objects in an image, highest score first.

    Args:
        boxes: left, top, right and bottom edges, in pixels of the image that the model reads.
        scores: the model's confidence, from 0 to 1.
        classes: the number of each box's class.
    """

    boxes: Float[Tensor, "box 4"]
    scores: Float[Tensor, " box"]
    classes: Int[Tensor, " box"]


@dataclass(frozen=True)
class PixelAnswer:
    """The class of each pixel.

    Args:
        scores: the score of each class at each pixel of the image that the model reads; the highest wins.
    """

    scores: Float[Tensor, "class height width"]


Answer = ClassAnswer | BoxAnswer | PixelAnswer


class Threshold(NamedTuple):
    """The lowest probability or score that is reported.

    Args:
        value: from 0 to 1.
        origin: where the value comes from, in words.
        least: the model itself drops anything that scores lower, whatever the threshold.
    """

    value: float
    origin: str
    least: float = 0.0
