"""What is drawn on an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Annotation:
    """What is drawn on an image: its target, or a model's prediction.

    Args:
        text: shown below the image; if it is empty, the names of the classes in the mask are shown.
        boxes: left, top, right and bottom edges, in pixels.
        box_texts: the text at each box.
        mask: the class number of each pixel, :data:`~reorder_kit.interfaces.IGNORED` for none.
        note: shown in parentheses after the text, such as the model's confidence; not compared with the truth.
    """

    text: str = ""
    boxes: Float[Tensor, "box 4"] = field(default_factory=lambda: torch.zeros(0, 4))
    box_texts: Sequence[str] = ()
    mask: Int[Tensor, "height width"] | None = None
    note: str = ""
