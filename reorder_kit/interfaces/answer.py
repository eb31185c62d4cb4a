"""What a model says about one image, for programs that use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class ClassAnswer:
    """The probability of each class.

    Args:
        probabilities: by number of the class, from 0 to 1.
        is_exclusive: an image has exactly one class, so that they add up to 1.
    """

    probabilities: Float[Tensor, " class"]
    is_exclusive: bool


@dataclass(frozen=True)
class BoxAnswer:
    """The objects in an image, the surest first.

    Args:
        boxes: left, top, right and bottom edge, in pixels of the image that the model reads.
        scores: how sure the model is, from 0 to 1.
        classes: the number of each box's class.
    """

    boxes: Float[Tensor, "box 4"]
    scores: Float[Tensor, " box"]
    classes: Int[Tensor, " box"]


@dataclass(frozen=True)
class PixelAnswer:
    """The class of each pixel.

    Args:
        scores: of each class at each pixel of the image that the model reads; the highest counts.
    """

    scores: Float[Tensor, "class height width"]


Answer = ClassAnswer | BoxAnswer | PixelAnswer


class Threshold(NamedTuple):
    """From which probability or score on something is reported.

    Args:
        value: from 0 to 1.
        origin: where it comes from, in words.
        least: what scores less is dropped by the model itself, whatever the threshold.
    """

    value: float
    origin: str
    least: float = 0.0
